/* Comparison. == and != answer when one side is null (false, true), and are null when both are; order is null
 * when any side is (Kusto: "null values"). Numbers compare as double as soon as one side is real. */
#include "rules/fn/kernel.h"

#include "base/ticks.h"

enum how { HOW_INT, HOW_REAL, HOW_TEXT, HOW_DYNAMIC };

static enum how how_of(const struct wr_vec *a, const struct wr_vec *b)
{
    if (a->type == WR_DYNAMIC || b->type == WR_DYNAMIC || (a->type == WR_DECIMAL && b->type == WR_DECIMAL))
        return HOW_DYNAMIC;
    if (a->i && b->i)
        return HOW_INT;
    if (a->s && b->s && a->type != WR_DECIMAL && b->type != WR_DECIMAL)
        return HOW_TEXT;
    if ((a->s && a->type != WR_DECIMAL) || (b->s && b->type != WR_DECIMAL))
        return HOW_DYNAMIC; /* a text and a number never equal: resolved by kind */
    return HOW_REAL;
}

static bool same_dynamic(struct wr_eval *ev, const struct wr_vec *a, const struct wr_vec *b, uint32_t row,
                         bool nocase)
{
    struct wr_scalar x = wr_scalar_at(ev, a, row), y = wr_scalar_at(ev, b, row);
    return wr_scalar_eq(&x, &y, nocase);
}

/* Both valid. */
static bool same(struct wr_eval *ev, enum how how, const struct wr_vec *a, const struct wr_vec *b,
                 uint32_t row, bool nocase)
{
    switch (how) {
    case HOW_INT:
        return a->i[row] == b->i[row];
    case HOW_REAL:
        return wr_num_at(a, row) == wr_num_at(b, row);
    case HOW_TEXT:
        return nocase ? wr_str_eq_nocase(&a->s[row], &b->s[row]) : wr_str_eq(&a->s[row], &b->s[row]);
    case HOW_DYNAMIC:
        break;
    }
    return same_dynamic(ev, a, b, row, nocase);
}

static void equality(struct wr_eval *ev, const struct wr_vec *args, const struct wr_sel *sel,
                     struct wr_vec *out, bool negate, bool nocase)
{
    const struct wr_vec *a = &args[0], *b = &args[1];
    enum how how = how_of(a, b);
    WR_EACH (sel, row) {
        bool va = wr_vec_valid(a, row), vb = wr_vec_valid(b, row);
        if (va && vb)
            wr_put_i(out, row, same(ev, how, a, b, row, nocase) != negate);
        else if (va || vb)
            wr_put_i(out, row, negate);
    }
}

#define EQUALITY(name, negate, nocase)                                                                       \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,                \
                     const struct wr_sel *sel, struct wr_vec *out)                                           \
    {                                                                                                        \
        (void)call;                                                                                          \
        equality(ev, args, sel, out, negate, nocase);                                                        \
    }
EQUALITY(eq, false, false)
EQUALITY(ne, true, false)
EQUALITY(eq_nocase, false, true)
EQUALITY(ne_nocase, true, true)

enum rel { REL_LT, REL_LE, REL_GT, REL_GE };

static bool holds(enum rel rel, int cmp)
{
    switch (rel) {
    case REL_LT:
        return cmp < 0;
    case REL_LE:
        return cmp <= 0;
    case REL_GT:
        return cmp > 0;
    case REL_GE:
        break;
    }
    return cmp >= 0;
}

static bool real_holds(enum rel rel, double x, double y)
{
    switch (rel) {
    case REL_LT:
        return x < y;
    case REL_LE:
        return x <= y;
    case REL_GT:
        return x > y;
    case REL_GE:
        break;
    }
    return x >= y; /* NaN: false at all four */
}

static bool order_at(struct wr_eval *ev, enum rel rel, const struct wr_vec *a, const struct wr_vec *b,
                     uint32_t row)
{
    int cmp;
    switch (how_of(a, b)) {
    case HOW_INT:
        return holds(rel, (a->i[row] > b->i[row]) - (a->i[row] < b->i[row]));
    case HOW_REAL:
        return real_holds(rel, wr_num_at(a, row), wr_num_at(b, row));
    case HOW_TEXT:
        return holds(rel, wr_str_cmp(&a->s[row], &b->s[row]));
    case HOW_DYNAMIC:
        break;
    }
    struct wr_scalar x = wr_scalar_at(ev, a, row), y = wr_scalar_at(ev, b, row);
    return wr_scalar_cmp(&x, &y, &cmp) && holds(rel, cmp);
}

#define ORDER(name, rel)                                                                                     \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,                \
                     const struct wr_sel *sel, struct wr_vec *out)                                           \
    {                                                                                                        \
        (void)call;                                                                                          \
        WR_EACH (sel, row)                                                                                   \
            wr_put_i(out, row, order_at(ev, rel, &args[0], &args[1], row));                                  \
    }
ORDER(lt, REL_LT)
ORDER(le, REL_LE)
ORDER(gt, REL_GT)
ORDER(ge, REL_GE)

static void within(struct wr_eval *ev, const struct wr_vec *args, const struct wr_sel *sel,
                   struct wr_vec *out, bool negate)
{
    WR_EACH (sel, row)
        wr_put_i(out, row,
                 (order_at(ev, REL_GE, &args[0], &args[1], row) &&
                  order_at(ev, REL_LE, &args[0], &args[2], row)) != negate);
}

/* x between (t .. span): t .. t + span, both ends in. */
static void within_span(const struct wr_vec *args, const struct wr_sel *sel, struct wr_vec *out, bool negate)
{
    WR_EACH (sel, row) {
        int64_t end;
        if (__builtin_add_overflow(args[1].i[row], args[2].i[row], &end))
            end = args[2].i[row] < 0 ? INT64_MIN : INT64_MAX;
        wr_put_i(out, row, (args[0].i[row] >= args[1].i[row] && args[0].i[row] <= end) != negate);
    }
}

#define KERNEL(name)                                                                                         \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,                \
                     const struct wr_sel *sel, struct wr_vec *out)
KERNEL(between)
{
    (void)call;
    within(ev, args, sel, out, false);
}

KERNEL(not_between)
{
    (void)call;
    within(ev, args, sel, out, true);
}

KERNEL(between_span)
{
    (void)ev, (void)call;
    within_span(args, sel, out, false);
}

KERNEL(not_between_span)
{
    (void)ev, (void)call;
    within_span(args, sel, out, true);
}
