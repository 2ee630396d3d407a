/* in, !in, in~, !in~: an or of equalities. A list of constants becomes a table once, at bind time: open
 * addressing over the values' bits; constants come from the rule's author, so a plain hash is enough. */
#include "rules/fn/json.h"
#include "rules/fn/kernel.h"

struct members {
    uint32_t mask; /* slots - 1 */
    bool text, nocase;
    const struct wr_value **slot;
};

static uint64_t mix(uint64_t h)
{
    h *= UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 29;
}

/* Letters of eight bytes to lower case; bytes that are no letters may change, too, but equally. */
static uint64_t fold_case(uint64_t w, bool nocase)
{
    return nocase ? w | UINT64_C(0x2020202020202020) : w;
}

static uint64_t text_hash(const struct wr_str *s, bool nocase)
{
    const char *p = wr_str_data(s);
    uint64_t h = s->len, w = 0;
    uint32_t n = s->len;
    for (; n >= 8; p += 8, n -= 8) {
        memcpy(&w, p, 8);
        h = (h ^ fold_case(w, nocase)) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 32;
    }
    w = 0;
    if (n)
        memcpy(&w, p, n);
    return mix((h ^ fold_case(w, nocase)) * UINT64_C(0xd6e8feb86659fd93));
}

static const void *prepare(struct wr_arena *arena, const struct wr_ex *call, bool nocase)
{
    uint32_t nslots = 4;
    for (uint32_t a = 1; a < call->nargs; a++)
        if (call->args[a]->kind != WR_EX_CONST || call->args[a]->type == WR_REAL ||
            call->args[a]->type == WR_DYNAMIC)
            return NULL; /* compared one by one */
    enum wr_type type = call->args[0]->type;
    if (type == WR_REAL || type == WR_DECIMAL || type == WR_DYNAMIC)
        return NULL;
    while (nslots < 2 * call->nargs)
        nslots *= 2;
    struct members *m = wr_arena_alloc(arena, sizeof *m);
    if (!m || !(m->slot = wr_arena_alloc(arena, nslots * sizeof(struct wr_value *))))
        return NULL;
    m->mask = nslots - 1;
    m->text = wr_type_is_str(type);
    m->nocase = nocase;
    for (uint32_t a = 1; a < call->nargs; a++) {
        const struct wr_value *v = &call->args[a]->value;
        if (wr_type_is_str(call->args[a]->type) != m->text)
            return NULL;
        if (v->null)
            continue;
        uint64_t h = m->text ? text_hash(&v->s, nocase) : mix((uint64_t)v->i);
        while (m->slot[h & m->mask])
            h++;
        m->slot[h & m->mask] = v;
    }
    return m;
}

const void *wr_prepare_in(struct wr_arena *arena, const struct wr_ex *call, const char **ret_why)
{
    (void)ret_why;
    return prepare(arena, call, false);
}

const void *wr_prepare_in_nocase(struct wr_arena *arena, const struct wr_ex *call, const char **ret_why)
{
    (void)ret_why;
    return prepare(arena, call, true);
}

static bool has_int(const struct members *m, int64_t v)
{
    for (uint64_t h = mix((uint64_t)v); m->slot[h & m->mask]; h++)
        if (m->slot[h & m->mask]->i == v)
            return true;
    return false;
}

static bool has_text(const struct members *m, const struct wr_str *s)
{
    for (uint64_t h = text_hash(s, m->nocase); m->slot[h & m->mask]; h++) {
        const struct wr_str *have = &m->slot[h & m->mask]->s;
        if (m->nocase ? wr_str_eq_nocase(have, s) : wr_str_eq(have, s))
            return true;
    }
    return false;
}

bool wr_members_int(const void *members, int64_t v)
{
    return has_int(members, v);
}

bool wr_members_text(const void *members, const struct wr_str *s)
{
    return has_text(members, s);
}

static bool equals_any(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args, uint32_t row,
                       bool nocase)
{
    struct wr_scalar x = wr_scalar_at(ev, &args[0], row);
    for (uint32_t a = 1; a < call->nargs; a++) {
        if (!wr_vec_valid(&args[a], row))
            continue;
        struct wr_scalar y = wr_scalar_at(ev, &args[a], row);
        if (wr_scalar_eq(&x, &y, nocase))
            return true;
    }
    return false;
}

static void membership(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,
                       const struct wr_sel *sel, struct wr_vec *out, bool negate, bool nocase)
{
    const struct members *m = call->prepared;
    const struct wr_vec *x = &args[0];
    WR_EACH (sel, row) {
        bool found = false;
        if (wr_vec_valid(x, row)) {
            if (m)
                found = m->text ? has_text(m, &x->s[row]) : has_int(m, x->i[row]);
            else
                found = equals_any(ev, call, args, row, nocase);
        }
        wr_put_i(out, row, found != negate);
    }
}

/* x in (dynamic array): its elements. */
static void membership_array(struct wr_eval *ev, const struct wr_vec *args, const struct wr_sel *sel,
                             struct wr_vec *out, bool negate, bool nocase)
{
    WR_EACH (sel, row) {
        bool found = false;
        if (wr_vec_valid(&args[0], row) && wr_vec_valid(&args[1], row)) {
            struct wr_scalar x = wr_scalar_at(ev, &args[0], row);
            struct wr_slice all = {wr_str_data(&args[1].s[row]), args[1].s[row].len}, item;
            const char *at = NULL;
            while (!found && wr_json_next(all, &at, &item)) {
                struct wr_str json = wr_str_borrow(item.p, item.len);
                struct wr_vec one = {.type = WR_DYNAMIC, .s = &json};
                struct wr_scalar y = wr_scalar_at(ev, &one, 0);
                found = wr_scalar_eq(&x, &y, nocase);
            }
        }
        wr_put_i(out, row, found != negate);
    }
}

#define MEMBER(name, negate, nocase)                                                                         \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,                \
                     const struct wr_sel *sel, struct wr_vec *out)                                           \
    {                                                                                                        \
        membership(ev, call, args, sel, out, negate, nocase);                                                \
    }
MEMBER(in, false, false)
MEMBER(not_in, true, false)
MEMBER(in_nocase, false, true)
MEMBER(not_in_nocase, true, true)
#define MEMBER_ARRAY(name, negate, nocase)                                                                   \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,                \
                     const struct wr_sel *sel, struct wr_vec *out)                                           \
    {                                                                                                        \
        (void)call;                                                                                          \
        membership_array(ev, args, sel, out, negate, nocase);                                                \
    }
MEMBER_ARRAY(in_array, false, false)
MEMBER_ARRAY(not_in_array, true, false)
MEMBER_ARRAY(in_array_nocase, false, true)
MEMBER_ARRAY(not_in_array_nocase, true, true)
