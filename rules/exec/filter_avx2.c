/* filter.inc.c for processors with AVX2 (CMakeLists.txt gives the option). */
#define KERNELS wr_filter_avx2
#include "rules/exec/filter.inc.c"
