/* base64 (RFC 4648) as the kernels share it. Private to rules/fn. */
#ifndef WR_RULES_FN_CODE_H
#define WR_RULES_FN_CODE_H

#include "base/buf.h"
#include "base/str.h"

/* Appends to `out`, padded. */
void wr_base64_encode(const char *bytes, size_t len, struct wr_buf *out);
/* Whole groups of four, padded; false for anything else. `out` is emptied first. */
bool wr_base64_decode(const struct wr_str *s, struct wr_buf *out);

#endif
