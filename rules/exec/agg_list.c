/* Results of the aggregates that keep their values: arrays, merged bags, percentiles. */
#include "rules/exec/agg_list.h"

#include "rules/fn/json.h"
#include "rules/fn/kernel.h"

#include <math.h>
#include <stdlib.h>

bool wr_agg_has_pred(const struct wr_agg_call *call)
{
    return call->nargs > 1 && call->args[1]->type == WR_BOOL;
}

/* The most values that the author wants; all when it is not said. */
static uint32_t wanted(const struct wr_agg_call *call, uint32_t n)
{
    uint32_t at = wr_agg_has_pred(call) ? 2 : 1;
    if (call->nargs <= at || call->args[at]->kind != WR_EX_CONST || call->args[at]->value.null)
        return n;
    int64_t max = call->args[at]->value.i;
    return max >= 0 && max < n ? (uint32_t)max : n;
}

static void put_json(struct wr_eval *ev, struct wr_buf *json, struct wr_vec *out, uint32_t row)
{
    if (json->err)
        ev->err = WR_ENOMEM;
    else
        wr_put_text(ev, out, row, json->data, json->len);
    wr_buf_fini(json);
}

void wr_agg_put_list(struct wr_eval *ev, const struct wr_agg_call *call, enum wr_type in, const struct wr_dset *set,
                     struct wr_vec *out, uint32_t row)
{
    struct wr_buf json = {0};
    uint32_t max = wanted(call, set->n);
    wr_buf_char(&json, '[');
    for (uint32_t i = 0; i < max; i++) {
        struct wr_value v = wr_dset_value(set, in, i);
        struct wr_vec one = wr_dset_vec(in, &v);
        if (i)
            wr_buf_char(&json, ',');
        wr_json_cell(&one, 0, &json);
    }
    wr_buf_char(&json, ']');
    put_json(ev, &json, out, row);
}

/* Keys seen so far, with their quotes; open addressing, doubled when half full. */
struct keys {
    struct wr_slice *slot;
    uint32_t n, nslots;
};

/* True when the key is new. */
static bool add_key(struct wr_eval *ev, struct keys *k, struct wr_slice key)
{
    if (2 * k->n >= k->nslots) {
        struct keys more = {.nslots = k->nslots ? 2 * k->nslots : 32};
        more.slot = wr_arena_alloc(ev->arena, more.nslots * sizeof *more.slot);
        if (!more.slot) {
            ev->err = WR_ENOMEM;
            return false;
        }
        for (uint32_t i = 0; i < k->nslots; i++)
            if (k->slot[i].p)
                (void)add_key(ev, &more, k->slot[i]); /* has room: one level deep */
        *k = more;
    }
    uint64_t h = key.len;
    for (size_t i = 0; i < key.len; i++)
        h = (h ^ (unsigned char)key.p[i]) * UINT64_C(0x100000001b3);
    for (h ^= h >> 29;; h++) {
        struct wr_slice *s = &k->slot[h & (k->nslots - 1)];
        if (!s->p) {
            *s = key;
            k->n++;
            return true;
        }
        if (s->len == key.len && memcmp(s->p, key.p, key.len) == 0)
            return false;
    }
}

void wr_agg_put_bag(struct wr_eval *ev, const struct wr_agg_call *call, const struct wr_dset *set,
                    struct wr_vec *out, uint32_t row)
{
    struct wr_buf json = {0};
    struct keys keys = {0};
    uint32_t max = wanted(call, UINT32_MAX);
    wr_buf_char(&json, '{');
    for (uint32_t i = 0; i < set->n && !ev->err; i++) {
        const struct wr_str *s = &set->cell[i].s;
        struct wr_slice bag = {wr_str_data(s), s->len}, key, value;
        const char *at = NULL;
        while (keys.n < max && wr_json_next_member(bag, &at, &key, &value)) {
            if (!add_key(ev, &keys, key))
                continue;
            if (json.len > 1)
                wr_buf_char(&json, ',');
            wr_buf_add(&json, key.p, key.len);
            wr_buf_char(&json, ':');
            wr_buf_add(&json, value.p, value.len);
        }
    }
    wr_buf_char(&json, '}');
    put_json(ev, &json, out, row);
}

struct ranked {
    union wr_dcell v;
    uint64_t weight;
};

static int by_int(const void *pa, const void *pb)
{
    int64_t a = ((const struct ranked *)pa)->v.i, b = ((const struct ranked *)pb)->v.i;
    return (a > b) - (a < b);
}

static int by_real(const void *pa, const void *pb)
{
    double a = ((const struct ranked *)pa)->v.r, b = ((const struct ranked *)pb)->v.r;
    if (isnan(a) || isnan(b))
        return isnan(b) - isnan(a); /* NaN first */
    return (a > b) - (a < b);
}

/* Nearest rank: the least value that at least p percent of all do not exceed. */
void wr_agg_put_percentile(struct wr_eval *ev, const struct wr_agg_call *call, enum wr_type in,
                           const struct wr_dset *set, struct wr_vec *out, uint32_t row)
{
    const struct wr_ex *p = call->args[1];
    if (set->n == 0 || p->kind != WR_EX_CONST || p->value.null || !(p->value.r >= 0 && p->value.r <= 100))
        return;
    struct ranked *v = wr_arena_alloc(ev->arena, set->n * sizeof *v);
    uint64_t total = 0, below = 0;
    if (!v) {
        ev->err = WR_ENOMEM;
        return;
    }
    for (uint32_t i = 0; i < set->n; i++) {
        v[i] = (struct ranked){set->cell[i], wr_dset_weight(set, i)};
        total += v[i].weight;
    }
    qsort(v, set->n, sizeof *v, in == WR_REAL ? by_real : by_int);
    double rank = ceil(p->value.r / 100 * (double)total);
    uint32_t at = 0;
    while (at + 1 < set->n && (double)(below + v[at].weight) < rank)
        below += v[at++].weight;
    if (in == WR_REAL)
        wr_put_r(out, row, v[at].v.r);
    else
        wr_put_i(out, row, v[at].v.i);
}
