/* Calls every symbol named in the arguments behind the first (the driver's file) with nothing but zeros,
   null pointers that is, before cuInit, without a context and with one; prints state, name and code. */
#include <dlfcn.h>
#include <stdio.h>

typedef int (*zeros_t)(long, long, long, long, long, long, long, long, long, long, long, long);

int main(int argc, char **argv)
{
    void *driver = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
    if (driver == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    int (*init)(unsigned) = (int (*)(unsigned))dlsym(driver, "cuInit");
    int (*retain)(void **, int) = (int (*)(void **, int))dlsym(driver, "cuDevicePrimaryCtxRetain");
    int (*set)(void *) = (int (*)(void *))dlsym(driver, "cuCtxSetCurrent");
    for (int state = 0; state < 3; state++) {
        if (state == 1 && init(0) != 0)
            return 2;
        for (int at = 2; at < argc; at++) {
            void *context;
            zeros_t call = (zeros_t)dlsym(driver, argv[at]);
            if (state == 2 && (retain(&context, 0) != 0 || set(context) != 0))
                return 3;
            if (call == NULL)
                return 4;
            fprintf(stderr, "calling %s\n", argv[at]);
            printf("%d %s %d\n", state, argv[at], call(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
        }
    }
    return 0;
}
