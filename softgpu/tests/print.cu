// Every kind of conversion that printf has on the device.
#include <cstdio>
extern "C" __global__ void print(int i, long long l, double d, float f, unsigned u) {
    if (threadIdx.x != 1) return;
    printf("[%d|%5d|%-5d|%05d|%+d|% d|%i]\n", i, i, i, i, i, i, -i);
    printf("[%u|%x|%X|%#x|%o|%lld|%llx|%c|%%]\n", u, u, u, u, u, l, l, 'q');
    printf("[%f|%.2f|%10.3f|%-10.1f|%e|%.3e|%g|%g|%G]\n", d, d, d, d, d, d, d, 1e-9 * d, 1e20 * d);
    printf("[%a|%.3a|%a|%s|%.2s|%8s|%-6s|%*d|%.4d]\n", d, d, (double)f, "text", "text", "text", "text", 6, i, i);
}
