/* key_kernels.inc.c for processors with AVX2 (CMakeLists.txt gives the option). */
#ifdef __x86_64__
#define KERNELS wr_key_avx2
#include "rules/exec/key_kernels.inc.c"
#endif
