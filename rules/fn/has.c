/* Text operators. `has` finds its text with no letter or digit before its first or behind its last character,
 * where that character is itself a letter or digit (Kusto: "string operators"). Without _cs ASCII case is
 * ignored. */
#include "rules/fn/json.h"
#include "rules/fn/kernel.h"

enum { AT_START = 1, AT_END = 2, TERM_START = 4, TERM_END = 8, CASE = 16 };

static bool same_bytes(const char *a, const char *b, size_t n, unsigned how)
{
    if (how & CASE)
        return memcmp(a, b, n) == 0;
    for (size_t i = 0; i < n; i++)
        if (wr_ascii_lower(a[i]) != wr_ascii_lower(b[i]))
            return false;
    return true;
}

static bool bounded(const char *text, size_t len, size_t at, size_t n, unsigned how)
{
    if ((how & TERM_START) && at && wr_is_alnum(text[at]) && wr_is_alnum(text[at - 1]))
        return false;
    size_t end = at + n;
    return !(how & TERM_END) || end == len || !wr_is_alnum(text[end - 1]) || !wr_is_alnum(text[end]);
}

static bool found(struct wr_slice text, struct wr_slice what, unsigned how)
{
    if (what.len == 0)
        return true;
    if (what.len > text.len)
        return false;
    size_t first = how & AT_END ? text.len - what.len : 0;
    size_t last = how & AT_START ? 0 : text.len - what.len;
    char lead = wr_ascii_lower(what.p[0]);
    for (size_t at = first; at <= last; at++) {
        if (wr_ascii_lower(text.p[at]) != lead)
            continue;
        if (same_bytes(text.p + at, what.p, what.len, how) && bounded(text.p, text.len, at, what.len, how))
            return true;
    }
    return false;
}

/* Text of a cell: a string as it lies, any other type through `tmp`. */
static struct wr_slice text_of(const struct wr_vec *v, uint32_t row, struct wr_buf *tmp)
{
    if (v->type == WR_STRING)
        return (struct wr_slice){wr_str_data(&v->s[row]), v->s[row].len};
    wr_buf_reset(tmp);
    wr_text_at(v, row, tmp);
    return (struct wr_slice){tmp->data ? tmp->data : "", tmp->len};
}

static void text_op(struct wr_eval *ev, const struct wr_vec *args, const struct wr_sel *sel,
                    struct wr_vec *out, unsigned how, bool negate)
{
    struct wr_buf a = {0}, b = {0};
    WR_EACH (sel, row) {
        bool va = wr_vec_valid(&args[0], row), vb = wr_vec_valid(&args[1], row);
        if (va && vb)
            wr_put_i(out, row, found(text_of(&args[0], row, &a), text_of(&args[1], row, &b), how) != negate);
        else if (va || vb)
            wr_put_i(out, row, negate);
    }
    if (a.err || b.err)
        ev->err = WR_ENOMEM;
    wr_buf_fini(&a);
    wr_buf_fini(&b);
}

#define KERNEL(name)                                                                                         \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,                \
                     const struct wr_sel *sel, struct wr_vec *out)
#define TEXT_OP(name, how)                                                                                   \
    KERNEL(name)                                                                                             \
    {                                                                                                        \
        (void)call;                                                                                          \
        text_op(ev, args, sel, out, how, false);                                                             \
    }                                                                                                        \
    KERNEL(not_##name)                                                                                       \
    {                                                                                                        \
        (void)call;                                                                                          \
        text_op(ev, args, sel, out, how, true);                                                              \
    }
TEXT_OP(has, TERM_START | TERM_END)
TEXT_OP(has_cs, TERM_START | TERM_END | CASE)
TEXT_OP(hasprefix, TERM_START)
TEXT_OP(hasprefix_cs, TERM_START | CASE)
TEXT_OP(hassuffix, TERM_END)
TEXT_OP(hassuffix_cs, TERM_END | CASE)
TEXT_OP(contains, 0)
TEXT_OP(contains_cs, CASE)
TEXT_OP(startswith, AT_START)
TEXT_OP(startswith_cs, AT_START | CASE)
TEXT_OP(endswith, AT_END)
TEXT_OP(endswith_cs, AT_END | CASE)

static void has_list(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,
                     const struct wr_sel *sel, struct wr_vec *out, bool all)
{
    struct wr_buf a = {0}, b = {0};
    WR_EACH (sel, row) {
        bool yes = false;
        if (wr_vec_valid(&args[0], row)) {
            struct wr_slice text = text_of(&args[0], row, &a);
            yes = all;
            for (uint32_t k = 1; k < call->nargs && yes == all; k++)
                yes = found(text, text_of(&args[k], row, &b), TERM_START | TERM_END);
        }
        wr_put_i(out, row, yes);
    }
    if (a.err || b.err)
        ev->err = WR_ENOMEM;
    wr_buf_fini(&a);
    wr_buf_fini(&b);
}

static void has_array(struct wr_eval *ev, const struct wr_vec *args, const struct wr_sel *sel,
                      struct wr_vec *out, bool all)
{
    struct wr_buf a = {0}, b = {0};
    WR_EACH (sel, row) {
        bool yes = false;
        if (wr_vec_valid(&args[0], row) && wr_vec_valid(&args[1], row)) {
            struct wr_slice text = text_of(&args[0], row, &a), item;
            struct wr_slice list = {wr_str_data(&args[1].s[row]), args[1].s[row].len};
            const char *at = NULL;
            yes = all;
            while (yes == all && wr_json_next(list, &at, &item)) {
                wr_buf_reset(&b);
                wr_json_to_text(item.p, item.len, &b);
                yes = found(text, (struct wr_slice){b.data ? b.data : "", b.len}, TERM_START | TERM_END);
            }
        }
        wr_put_i(out, row, yes);
    }
    if (a.err || b.err)
        ev->err = WR_ENOMEM;
    wr_buf_fini(&a);
    wr_buf_fini(&b);
}

KERNEL(has_any)
{
    has_list(ev, call, args, sel, out, false);
}

KERNEL(has_all)
{
    has_list(ev, call, args, sel, out, true);
}

KERNEL(has_any_array)
{
    (void)call;
    has_array(ev, args, sel, out, false);
}

KERNEL(has_all_array)
{
    (void)call;
    has_array(ev, args, sel, out, true);
}
