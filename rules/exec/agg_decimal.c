#include "rules/exec/agg_decimal.h"

#include "rules/fn/kernel.h"

/* What slots keep; they may come from disk, where no bool is sure to be one. */
static struct wr_dec decimal_of(const union wr_slot *s)
{
    unsigned char raw[sizeof(struct wr_dec)];
    struct wr_dec v = {0};
    memcpy(raw, s, sizeof raw);
    v.neg = raw[offsetof(struct wr_dec, neg)] & 1;
    memcpy(&v.exp, raw + offsetof(struct wr_dec, exp), sizeof v.exp);
    memcpy(&v.coef, raw + offsetof(struct wr_dec, coef), sizeof v.coef);
    return v;
}

static void sum(union wr_slot *s, const struct wr_dec *x)
{
    struct wr_dec have = decimal_of(s), both;
    unsigned char raw[sizeof both] = {0};
    if (!wr_dec_add(&have, x, &both))
        return;
    raw[offsetof(struct wr_dec, neg)] = both.neg;
    memcpy(raw + offsetof(struct wr_dec, exp), &both.exp, sizeof both.exp);
    memcpy(raw + offsetof(struct wr_dec, coef), &both.coef, sizeof both.coef);
    memcpy(s, raw, sizeof raw);
}

void wr_dec_slots_add(union wr_slot *s, const struct wr_vec *v, uint32_t row)
{
    struct wr_dec x;
    if (wr_dec_parse(wr_str_data(&v->s[row]), v->s[row].len, &x))
        sum(s, &x);
}

void wr_dec_slots_put(struct wr_eval *ev, const union wr_slot *s, int64_t n, struct wr_vec *out, uint32_t row)
{
    char text[WR_DEC_TEXT];
    struct wr_dec v = decimal_of(s), by = wr_dec_from_i64(n);
    if (!n || wr_dec_div(&v, &by, &v))
        wr_put_text(ev, out, row, text, wr_dec_text(&v, text));
}

void wr_dec_slots_merge(union wr_slot *dst, const union wr_slot *src, bool out)
{
    struct wr_dec x = decimal_of(src);
    x.neg = out ? !x.neg && x.coef : x.neg;
    sum(dst, &x);
}
