/* Arithmetic of decimals: 34 digits. What has no result (division by zero, beyond the range) is
 * null. Cells are canonical texts (base/decimal.h). Source: Kusto "The decimal data type". */
#include "base/decimal.h"
#include "rules/fn/kernel.h"

#define KERNEL(name)                                                                               \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,      \
                     const struct wr_sel *sel, struct wr_vec *out)

static bool at(const struct wr_vec *vec, uint32_t row, struct wr_dec *ret)
{
    return wr_dec_parse(wr_str_data(&vec->s[row]), vec->s[row].len, ret);
}

static void put(struct wr_eval *ev, struct wr_vec *out, uint32_t row, const struct wr_dec *v)
{
    char text[WR_DEC_TEXT];
    wr_put_text(ev, out, row, text, wr_dec_text(v, text));
}

#define ARITH(name, op)                                                                            \
    KERNEL(dec_##name)                                                                             \
    {                                                                                              \
        struct wr_dec x, y, z;                                                                     \
        (void)call;                                                                                \
        WR_EACH(sel, row)                                                                          \
        if (at(&args[0], row, &x) && at(&args[1], row, &y) && op(&x, &y, &z))                      \
            put(ev, out, row, &z);                                                                 \
    }
ARITH(add, wr_dec_add)
ARITH(sub, wr_dec_sub)
ARITH(mul, wr_dec_mul)
ARITH(div, wr_dec_div)
ARITH(mod, wr_dec_mod)

/* Down to a multiple of the step. */
static bool down_to(const struct wr_dec *x, const struct wr_dec *step, struct wr_dec *ret)
{
    struct wr_dec rest;
    return !step->neg && wr_dec_mod(x, step, &rest) && wr_dec_sub(x, &rest, ret);
}
ARITH(bin, down_to)

KERNEL(dec_neg)
{
    struct wr_dec x;
    (void)call;
    WR_EACH(sel, row)
    if (at(&args[0], row, &x)) {
        x.neg = !x.neg && x.coef;
        put(ev, out, row, &x);
    }
}

KERNEL(dec_abs)
{
    struct wr_dec x;
    (void)call;
    WR_EACH(sel, row)
    if (at(&args[0], row, &x)) {
        x.neg = false;
        put(ev, out, row, &x);
    }
}

KERNEL(dec_ceiling)
{
    struct wr_dec x, z, one = wr_dec_from_i64(1);
    (void)call;
    WR_EACH(sel, row)
    {
        if (!at(&args[0], row, &x) || !down_to(&x, &one, &z))
            continue;
        if (wr_dec_cmp(&x, &z) != 0 && !wr_dec_add(&z, &one, &z))
            continue;
        put(ev, out, row, &z);
    }
}

KERNEL(dec_round)
{
    struct wr_dec x, z;
    WR_EACH(sel, row)
    {
        int64_t places = call->nargs > 1 ? args[1].i[row] : 0;
        if (places >= -WR_DEC_EXP_MAX && places <= WR_DEC_EXP_MAX && at(&args[0], row, &x) &&
            wr_dec_round(&x, (int32_t)places, &z))
            put(ev, out, row, &z);
    }
}
