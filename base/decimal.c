/* A coefficient of 34 digits fits into 128 bits with four digits to spare. Sums align both numbers
 * there, with what falls off the smaller one as one sticky bit; products are made of halves of 17
 * digits; quotients digit by digit. A library (libmpdec, libdecnumber) would do the same and more;
 * gcc's _Decimal128 would, but clang, which builds the fuzz targets, has none. */
#include "base/decimal.h"

typedef unsigned __int128 u128;

enum { DIGITS = 34, HALF = 17 };

static u128 power(int n)
{
    u128 p = 1;
    while (n-- > 0)
        p *= 10;
    return p;
}

static int digits_of(u128 v)
{
    int n = 0;
    for (; v; v /= 10)
        n++;
    return n;
}

/* Any coefficient, and whether something not 0 follows it, as a number. */
static bool finish(bool neg, u128 coef, int64_t exp, bool sticky, struct wr_dec *ret)
{
    const u128 top = power(DIGITS);
    unsigned last = 0;
    for (; coef >= top; exp++) {
        sticky |= last != 0;
        last = (unsigned)(coef % 10);
        coef /= 10;
    }
    if (last > 5 || (last == 5 && (sticky || coef & 1)))
        coef++;
    if (coef == top) {
        coef /= 10;
        exp++;
    }
    for (; coef && coef % 10 == 0; exp++)
        coef /= 10;
    if (!coef || exp + digits_of(coef) < -WR_DEC_EXP_MAX) /* too small to tell from 0 */
        *ret = (struct wr_dec){0};
    else
        *ret = (struct wr_dec){neg, (int32_t)exp, coef};
    return !coef || exp + digits_of(coef) <= WR_DEC_EXP_MAX;
}

bool wr_dec_parse(const char *text, size_t len, struct wr_dec *ret)
{
    const char *p = text, *end = text + len;
    bool neg = p < end && *p == '-', some = false, sticky = false, point = false;
    u128 coef = 0;
    int64_t exp = 0, more = 0;
    p += p < end && (*p == '-' || *p == '+');
    for (; p < end && ((*p >= '0' && *p <= '9') || (*p == '.' && !point)); p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        some = true;
        exp -= point;
        if (coef < power(DIGITS + 2)) {
            coef = coef * 10 + (unsigned)(*p - '0');
        } else {
            sticky |= *p != '0';
            exp++;
        }
    }
    if (some && p < end && (*p == 'e' || *p == 'E')) {
        bool down = ++p < end && *p == '-';
        p += p < end && (*p == '-' || *p == '+');
        some = false;
        for (; p < end && *p >= '0' && *p <= '9' && more < 100000; p++, some = true)
            more = more * 10 + (*p - '0');
        exp += down ? -more : more;
    }
    return some && p == end && finish(neg, coef, exp, sticky, ret);
}

struct wr_dec wr_dec_from_i64(int64_t v)
{
    struct wr_dec d;
    (void)finish(v < 0, v < 0 ? 0 - (u128)v : (u128)v, 0, false, &d);
    return d;
}

size_t wr_dec_text(const struct wr_dec *v, char out[WR_DEC_TEXT])
{
    char digits[40];
    int n = digits_of(v->coef), at = v->exp + n; /* digits before the point */
    size_t len = 0;
    u128 rest = v->coef;
    for (int i = n; i-- > 0; rest /= 10)
        digits[i] = (char)('0' + (int)(rest % 10));
    if (!n) {
        out[0] = '0';
        return 1;
    }
    if (v->neg)
        out[len++] = '-';
    bool plain = at > -10 && at <= 40;
    int before = plain ? at : 1;
    for (int i = 0; i < before; i++)
        out[len++] = i < n ? digits[i] : '0';
    if (before <= 0)
        out[len++] = '0';
    if (n > before)
        out[len++] = '.';
    for (int i = before; i < 0; i++)
        out[len++] = '0';
    for (int i = before > 0 ? before : 0; i < n; i++)
        out[len++] = digits[i];
    if (!plain) {
        int e = at - 1;
        out[len++] = 'E';
        out[len++] = e < 0 ? '-' : '+';
        e = e < 0 ? -e : e;
        int scale = 1;
        while (scale <= e / 10)
            scale *= 10;
        for (; scale; scale /= 10)
            out[len++] = (char)('0' + e / scale % 10);
    }
    return len;
}

int wr_dec_cmp(const struct wr_dec *a, const struct wr_dec *b)
{
    if (!a->coef || !b->coef || a->neg != b->neg) {
        int x = !a->coef ? 0 : a->neg ? -1 : 1, y = !b->coef ? 0 : b->neg ? -1 : 1;
        return (x > y) - (x < y);
    }
    int na = digits_of(a->coef), nb = digits_of(b->coef), cmp;
    if (na + a->exp != nb + b->exp) {
        cmp = na + a->exp > nb + b->exp ? 1 : -1;
    } else {
        u128 x = a->coef * power(na < nb ? nb - na : 0), y = b->coef * power(nb < na ? na - nb : 0);
        cmp = (x > y) - (x < y);
    }
    return a->neg ? -cmp : cmp;
}

bool wr_dec_add(const struct wr_dec *a, const struct wr_dec *b, struct wr_dec *ret)
{
    struct wr_dec x = *a, y = *b;
    bool sticky = false;
    if (!x.coef || !y.coef) {
        *ret = x.coef ? x : y;
        return true;
    }
    if (x.exp < y.exp) {
        x = *b;
        y = *a;
    }
    for (const u128 room = power(DIGITS + 2); x.exp > y.exp && x.coef < room; x.exp--)
        x.coef *= 10;
    for (; x.exp > y.exp && y.coef; y.exp++) {
        sticky |= y.coef % 10 != 0;
        y.coef /= 10;
    }
    if (x.neg == y.neg)
        return finish(x.neg, x.coef + y.coef, x.exp, sticky, ret);
    if (x.coef < y.coef)
        return finish(y.neg, y.coef - x.coef, x.exp, false, ret); /* then nothing fell off */
    return finish(x.neg, x.coef - y.coef - sticky, x.exp, sticky, ret);
}

bool wr_dec_sub(const struct wr_dec *a, const struct wr_dec *b, struct wr_dec *ret)
{
    struct wr_dec minus = *b;
    minus.neg = !b->neg;
    return wr_dec_add(a, &minus, ret);
}

bool wr_dec_mul(const struct wr_dec *a, const struct wr_dec *b, struct wr_dec *ret)
{
    const u128 half = power(HALF), whole = power(DIGITS);
    u128 a1 = a->coef / half, a0 = a->coef % half, b1 = b->coef / half, b0 = b->coef % half;
    u128 mid = a1 * b0 + a0 * b1, low = a0 * b0 + mid % half * half;
    u128 high = a1 * b1 + mid / half + low / whole;
    low %= whole;
    /* high * 10^34 + low: as many digits of low as there is room for behind high, two more than are
     * kept. */
    int n = digits_of(high), keep = n ? DIGITS + 2 - n : DIGITS;
    keep = keep > DIGITS ? DIGITS : keep;
    u128 cut = power(DIGITS - keep);
    return finish(a->neg != b->neg, high * power(keep) + low / cut,
                  (int64_t)a->exp + b->exp + DIGITS - keep, low % cut != 0, ret);
}

bool wr_dec_div(const struct wr_dec *a, const struct wr_dec *b, struct wr_dec *ret)
{
    if (!b->coef)
        return false;
    u128 q = a->coef / b->coef, rest = a->coef % b->coef;
    int64_t exp = (int64_t)a->exp - b->exp;
    for (const u128 enough = power(DIGITS + 1); rest && q < enough; exp--) {
        rest *= 10;
        q = q * 10 + rest / b->coef;
        rest %= b->coef;
    }
    return finish(a->neg != b->neg, q, exp, rest != 0, ret);
}

bool wr_dec_mod(const struct wr_dec *a, const struct wr_dec *b, struct wr_dec *ret)
{
    struct wr_dec size = *b, r;
    size.neg = false;
    if (!b->coef)
        return false;
    u128 rest = a->coef, by = b->coef;
    int64_t exp = a->exp;
    if (a->exp >= b->exp) {
        rest %= by;
        for (; exp > b->exp && rest; exp--)
            rest = rest * 10 % by;
        exp = b->exp;
    } else {
        int64_t up = (int64_t)b->exp - a->exp;
        if (up <= DIGITS && by <= power(DIGITS + 3) / power((int)up))
            rest %= by * power((int)up); /* else b is larger than any a of that exponent */
    }
    if (!finish(false, rest, exp, false, &r))
        return false;
    if (a->neg && r.coef)
        return wr_dec_sub(&size, &r, ret);
    *ret = r;
    return true;
}

bool wr_dec_round(const struct wr_dec *v, int32_t places, struct wr_dec *ret)
{
    struct wr_dec r = *v;
    int64_t cut = -(int64_t)places - v->exp;
    unsigned last = 0;
    *ret = r;
    if (cut <= 0 || !v->coef)
        return true;
    for (; cut > 0 && (r.coef || last); cut--) {
        last = (unsigned)(r.coef % 10);
        r.coef /= 10;
    }
    r.coef += last >= 5;
    return finish(v->neg, r.coef, -(int64_t)places, false, ret);
}

int wr_dec_text_cmp(const char *a, size_t na, const char *b, size_t nb)
{
    struct wr_dec x, y;
    bool has_x = wr_dec_parse(a, na, &x), has_y = wr_dec_parse(b, nb, &y);
    return has_x && has_y ? wr_dec_cmp(&x, &y) : (int)has_x - (int)has_y;
}
