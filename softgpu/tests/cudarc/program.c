/* A CUDA program that knows nothing of softgpu. It opens the driver by the name in its first argument,
   finds every call through cuGetProcAddress, runs saxpy of the PTX file in the second, and cleans up in
   an exit handler, as destructors of C++ globals do. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

typedef int (*call_t)();
static int (*get)(const char *, void **, int, unsigned long, int *);
static unsigned long x, y;

static call_t find(const char *name)
{
    void *address = NULL;
    int status = -1;
    int code = get(name, &address, 13000, 0, &status);
    if (code != 0 || status != 0 || address == NULL) {
        fprintf(stderr, "%s is missing: %d\n", name, code);
        exit(2);
    }
    return (call_t)address;
}

static void check(int code, const char *what)
{
    const char *name = "?";
    if (code == 0)
        return;
    ((int (*)(int, const char **))find("cuGetErrorName"))(code, &name);
    fprintf(stderr, "%s: %s\n", what, name);
    _Exit(3);
}

static void clean_up(void)
{
    float last = 0;
    check(((int (*)(void *, unsigned long, size_t))find("cuMemcpyDtoH"))(&last, y + 4 * 999, 4), "copy at exit");
    check(((int (*)(unsigned long))find("cuMemFree"))(x), "free x at exit");
    check(((int (*)(unsigned long))find("cuMemFree"))(y), "free y at exit");
    check(((int (*)(int))find("cuDevicePrimaryCtxRelease"))(0), "release at exit");
    printf("last %g\n", last);
}

int main(int argc, char **argv)
{
    enum { N = 1000 };
    static float hx[N], hy[N];
    static char ptx[1 << 20];
    float a = 2.5f;
    int n = N, version = 0, device = -1;
    void *context, *module, *function;
    void *params[] = { &x, &y, &a, &n };
    void *driver = argc == 3 ? dlopen(argv[1], RTLD_NOW) : NULL;
    FILE *file = argc == 3 ? fopen(argv[2], "r") : NULL;
    if (driver == NULL || file == NULL || fread(ptx, 1, sizeof ptx - 1, file) == 0) {
        fprintf(stderr, "no driver or no PTX: %s\n", dlerror());
        return 1;
    }
    *(void **)&get = dlsym(driver, "cuGetProcAddress_v2");
    check(((int (*)(unsigned))find("cuInit"))(0), "init");
    check(((int (*)(int *))find("cuDriverGetVersion"))(&version), "version");
    check(((int (*)(int *, int))find("cuDeviceGet"))(&device, 0), "device");
    check(((int (*)(void **, int))find("cuDevicePrimaryCtxRetain"))(&context, device), "retain");
    check(((int (*)(void *))find("cuCtxSetCurrent"))(context), "current");
    check(((int (*)(void **, const void *))find("cuModuleLoadData"))(&module, ptx), "load");
    check(((int (*)(void **, void *, const char *))find("cuModuleGetFunction"))(&function, module, "saxpy"), "find");
    check(((int (*)(unsigned long *, size_t))find("cuMemAlloc"))(&x, sizeof hx), "alloc");
    check(((int (*)(unsigned long *, size_t))find("cuMemAlloc"))(&y, sizeof hy), "alloc");
    for (int i = 0; i < N; i++) {
        hx[i] = i;
        hy[i] = 3 - i;
    }
    check(((int (*)(unsigned long, const void *, size_t))find("cuMemcpyHtoD"))(x, hx, sizeof hx), "copy");
    check(((int (*)(unsigned long, const void *, size_t))find("cuMemcpyHtoD"))(y, hy, sizeof hy), "copy");
    check(((int (*)(void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *,
                    void **, void **))find("cuLaunchKernel"))(function, 4, 1, 1, 256, 1, 1, 0, NULL, params,
                                                              NULL), "launch");
    check(((int (*)(void))find("cuCtxSynchronize"))(), "synchronize");
    check(((int (*)(void *, unsigned long, size_t))find("cuMemcpyDtoH"))(hy, y, sizeof hy), "copy");
    for (int i = 0; i < N; i++)
        if (hy[i] != 2.5f * i + (3 - i)) {
            fprintf(stderr, "element %d: %g\n", i, hy[i]);
            return 4;
        }
    printf("version %d right\n", version);
    atexit(clean_up);
    return 0;
}
