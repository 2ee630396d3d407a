/* Sets are arrays without repeats, in the order of the first sighting. Equality is by value (1 and 1.0 are one).
 * Source: Kusto "set-union function" and its kin. */
#include "rules/fn/json.h"
#include "rules/fn/kernel.h"

#include <math.h>

#define KERNEL(name)                                                                                         \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,                \
                     const struct wr_sel *sel, struct wr_vec *out)

struct set {
    struct wr_slice *item;
    struct wr_scalar *key;
    uint32_t *index; /* number + 1 */
    uint32_t n, mask;
};

static uint64_t hash_of(const struct wr_scalar *s)
{
    uint64_t h = s->kind == WR_SC_REAL || s->kind == WR_SC_INT ? 7 : (uint64_t)s->kind;
    if (s->kind == WR_SC_TEXT || s->kind == WR_SC_OTHER) {
        const char *p = wr_str_data(&s->s);
        for (uint32_t i = 0; i < s->s.len; i++)
            h = (h ^ (unsigned char)p[i]) * UINT64_C(0x100000001b3);
    } else if (s->kind != WR_SC_NULL) {
        double r = s->kind == WR_SC_BOOL ? (double)s->i : s->r;
        uint64_t bits;
        r = r == 0 ? 0 : r;
        memcpy(&bits, &r, sizeof bits);
        h = (h ^ bits) * UINT64_C(0x9e3779b97f4a7c15);
    }
    return h ^ h >> 31;
}

static bool same(const struct wr_scalar *a, const struct wr_scalar *b)
{
    if (a->kind == WR_SC_NULL || b->kind == WR_SC_NULL)
        return a->kind == b->kind;
    if (a->kind == WR_SC_OTHER && b->kind == WR_SC_OTHER)
        return wr_str_eq(&a->s, &b->s);
    return (a->kind == WR_SC_BOOL) == (b->kind == WR_SC_BOOL) && wr_scalar_eq(a, b, false);
}

/* Slot of the value, or the free one where it belongs. */
static uint32_t *slot_of(const struct set *set, const struct wr_scalar *key)
{
    for (uint64_t h = hash_of(key);; h++) {
        uint32_t *slot = &set->index[h & set->mask];
        if (!*slot || same(&set->key[*slot - 1], key))
            return slot;
    }
}

static bool set_init(struct wr_eval *ev, struct set *set, int64_t room)
{
    uint32_t nindex = 8;
    while (nindex < 2 * (uint64_t)room + 1)
        nindex *= 2;
    *set = (struct set){.mask = nindex - 1};
    set->item = wr_arena_alloc(ev->arena, ((size_t)room + 1) * sizeof *set->item);
    set->key = wr_arena_alloc(ev->arena, ((size_t)room + 1) * sizeof *set->key);
    set->index = wr_arena_alloc(ev->arena, nindex * sizeof *set->index);
    if (set->item && set->key && set->index)
        return true;
    ev->err = WR_ENOMEM;
    return false;
}

static struct wr_slice slice_at(const struct wr_vec *v, uint32_t row)
{
    return (struct wr_slice){wr_str_data(&v->s[row]), v->s[row].len};
}

static struct wr_scalar scalar_of(struct wr_eval *ev, struct wr_slice item)
{
    struct wr_str json = wr_str_borrow(item.p, item.len);
    struct wr_vec one = {.type = WR_DYNAMIC, .s = &json};
    return wr_scalar_at(ev, &one, 0);
}

/* `json` was counted and fits. */
static void add_all(struct wr_eval *ev, struct set *set, struct wr_slice json)
{
    const char *at = NULL;
    struct wr_slice item;
    while (wr_json_next(json, &at, &item)) {
        struct wr_scalar key = scalar_of(ev, item);
        uint32_t *slot = slot_of(set, &key);
        if (*slot)
            continue;
        set->item[set->n] = item;
        set->key[set->n] = key;
        *slot = ++set->n;
    }
}

static int64_t total(const struct wr_ex *call, const struct wr_vec *args, uint32_t row)
{
    int64_t sum = 0;
    for (uint32_t a = 0; a < call->nargs; a++) {
        int64_t n = wr_json_count(slice_at(&args[a], row));
        if (n < 0)
            return -1;
        sum += n;
    }
    return sum;
}

enum mode { UNION, INTERSECT, DIFFERENCE };

static bool wanted(struct wr_eval *ev, const struct wr_ex *call, const struct set *others, enum mode mode,
                   const struct wr_scalar *key)
{
    (void)ev;
    for (uint32_t a = 1; mode != UNION && a < call->nargs; a++)
        if ((*slot_of(&others[a], key) != 0) == (mode == DIFFERENCE))
            return false;
    return true;
}

static void combine(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,
                    const struct wr_sel *sel, struct wr_vec *out, enum mode mode)
{
    struct wr_buf json = {0};
    WR_EACH (sel, row) {
        int64_t room = total(call, args, row);
        struct set *sets = wr_arena_alloc(ev->arena, (call->nargs + 1) * sizeof *sets);
        bool ok = room >= 0 && sets && set_init(ev, &sets[0], room);
        for (uint32_t a = 0; ok && a < call->nargs; a++) {
            struct wr_slice list = slice_at(&args[a], row);
            if (a && mode != UNION)
                ok = set_init(ev, &sets[a], wr_json_count(list));
            if (ok)
                add_all(ev, mode == UNION ? &sets[0] : &sets[a], list);
        }
        if (!ok)
            continue;
        wr_buf_reset(&json);
        wr_buf_char(&json, '[');
        for (uint32_t i = 0; i < sets[0].n; i++) {
            if (!wanted(ev, call, sets, mode, &sets[0].key[i]))
                continue;
            if (json.len > 1)
                wr_buf_char(&json, ',');
            wr_buf_add(&json, sets[0].item[i].p, sets[0].item[i].len);
        }
        wr_buf_char(&json, ']');
        if (!json.err)
            wr_put_text(ev, out, row, json.data, json.len);
    }
    if (json.err)
        ev->err = WR_ENOMEM;
    wr_buf_fini(&json);
}

KERNEL(set_union)
{
    combine(ev, call, args, sel, out, UNION);
}

KERNEL(set_intersect)
{
    combine(ev, call, args, sel, out, INTERSECT);
}

KERNEL(set_difference)
{
    combine(ev, call, args, sel, out, DIFFERENCE);
}

KERNEL(set_has_element)
{
    (void)call;
    WR_EACH (sel, row) {
        struct wr_slice all = slice_at(&args[0], row), item;
        struct wr_scalar want = wr_scalar_at(ev, &args[1], row);
        const char *at = NULL;
        bool found = false;
        if (wr_json_count(all) < 0)
            continue;
        while (!found && wr_json_next(all, &at, &item)) {
            struct wr_scalar have = scalar_of(ev, item);
            found = same(&have, &want);
        }
        wr_put_i(out, row, found);
    }
}

/* The first two arguments as sets; false: one is no array, or no memory. */
static bool two_sets(struct wr_eval *ev, const struct wr_vec *args, uint32_t row, struct set *x, struct set *y)
{
    struct wr_slice a = slice_at(&args[0], row), b = slice_at(&args[1], row);
    if (wr_json_count(a) < 0 || wr_json_count(b) < 0 || !set_init(ev, x, wr_json_count(a)) ||
        !set_init(ev, y, wr_json_count(b)))
        return false;
    add_all(ev, x, a);
    add_all(ev, y, b);
    return true;
}

/* How many values of `x` are in `y`. */
static uint32_t common(const struct set *x, const struct set *y)
{
    uint32_t both = 0;
    for (uint32_t i = 0; i < x->n; i++)
        both += *slot_of(y, &x->key[i]) != 0;
    return both;
}

KERNEL(jaccard_index)
{
    (void)call;
    WR_EACH (sel, row) {
        struct set x, y;
        if (!two_sets(ev, args, row, &x, &y))
            continue;
        uint32_t both = common(&x, &y);
        struct wr_buf json = {0}; /* a dynamic number, as Kusto's binder has it; null for two empty sets */
        if (x.n + y.n)
            wr_json_real(&json, (double)both / (double)(x.n + y.n - both));
        if (json.len && !json.err)
            wr_put_text(ev, out, row, json.data, json.len);
        wr_buf_fini(&json);
    }
}

KERNEL(set_equals)
{
    (void)call;
    WR_EACH (sel, row) {
        struct set x, y;
        if (!two_sets(ev, args, row, &x, &y))
            continue;
        wr_put_i(out, row, x.n == y.n && common(&x, &y) == x.n);
    }
}
