/* Decimal numbers of 34 digits, as decimal128 of IEEE 754 has them: what KQL calls decimal.
 * Rounding is to the nearest, ties to even. Pure; a cell is the canonical text: no trailing zeros
 * behind the point, so that equal values are equal texts. */
#ifndef WR_BASE_DECIMAL_H
#define WR_BASE_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wr_dec {
    bool neg;
    int32_t exp;            /* the value is coef * 10^exp */
    unsigned __int128 coef; /* below 10^34 */
};

enum { WR_DEC_TEXT = 64, WR_DEC_EXP_MAX = 6144 };

/* "-12.5", "1e-3"; more than 34 digits are rounded. False: no number, or out of range. */
bool wr_dec_parse(const char *text, size_t len, struct wr_dec *ret);
struct wr_dec wr_dec_from_i64(int64_t v);
/* The canonical text; its length. Not ended by a zero byte. */
size_t wr_dec_text(const struct wr_dec *v, char out[WR_DEC_TEXT]);
int wr_dec_cmp(const struct wr_dec *a, const struct wr_dec *b);
/* False: out of range; division by zero. The remainder is never negative, as in KQL. */
bool wr_dec_add(const struct wr_dec *a, const struct wr_dec *b, struct wr_dec *ret);
bool wr_dec_sub(const struct wr_dec *a, const struct wr_dec *b, struct wr_dec *ret);
bool wr_dec_mul(const struct wr_dec *a, const struct wr_dec *b, struct wr_dec *ret);
bool wr_dec_div(const struct wr_dec *a, const struct wr_dec *b, struct wr_dec *ret);
bool wr_dec_mod(const struct wr_dec *a, const struct wr_dec *b, struct wr_dec *ret);
/* To `places` digits behind the point (negative: before it); a half goes away from zero, as with
 * reals. */
bool wr_dec_round(const struct wr_dec *v, int32_t places, struct wr_dec *ret);
/* Order of two cells, each a number as text. */
int wr_dec_text_cmp(const char *a, size_t na, const char *b, size_t nb);

#endif
