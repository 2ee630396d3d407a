/* filter.inc.c for any processor. */
#define KERNELS wr_filter_generic
#include "rules/exec/filter.inc.c"
