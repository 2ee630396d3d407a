#define KERNELS wr_key_generic
#include "rules/exec/key_kernels.inc.c"
