/* Results of rare aggregates, from the values that a group has kept: bits, covariance, weighted
 * percentiles and arrays of percentiles, schemas, sketches. */
#include "rules/exec/agg_list.h"

#include "base/hash.h"
#include "rules/fn/json.h"
#include "rules/fn/kernel.h"
#include "rules/fn/sketch.h"

#include <math.h>
#include <stdlib.h>

bool wr_agg_keeps(enum wr_agg_kind kind)
{
    return kind == WR_AGG_MAKE_SET || kind == WR_AGG_MAKE_LIST || kind == WR_AGG_MAKE_BAG ||
           kind == WR_AGG_PERCENTILE || kind >= WR_AGG_FIRST_KEPT;
}

bool wr_agg_keeps_all(enum wr_agg_kind kind)
{
    return kind != WR_AGG_MAKE_SET && kind != WR_AGG_MAKE_BAG && kind != WR_AGG_BITS_AND &&
           kind != WR_AGG_BITS_OR && kind != WR_AGG_BUILDSCHEMA && kind != WR_AGG_HLL;
}

static struct wr_slice slice_of(const struct wr_dset *set, uint32_t i)
{
    const struct wr_str *s = &set->cell[i].s;
    return (struct wr_slice){wr_str_data(s), s->len};
}

static void put(struct wr_eval *ev, struct wr_buf *json, struct wr_vec *out, uint32_t row)
{
    if (json->err)
        ev->err = WR_ENOMEM;
    else
        wr_put_text(ev, out, row, json->data, json->len);
    wr_buf_fini(json);
}

static void put_bits(enum wr_agg_kind kind, const struct wr_dset *set, struct wr_vec *out,
                     uint32_t row)
{
    int64_t v = set->n ? set->cell[0].i : 0;
    for (uint32_t i = 1; i < set->n; i++)
        v = kind == WR_AGG_BITS_AND  ? v & set->cell[i].i
            : kind == WR_AGG_BITS_OR ? v | set->cell[i].i
                                     : v ^ set->cell[i].i;
    if (set->n)
        wr_put_i(out, row, v);
}

/* The two numbers of a kept pair. */
static void read_pair(struct wr_slice json, double ret[2])
{
    struct wr_slice item;
    const char *at = NULL;
    for (int k = 0; k < 2; k++) {
        ret[k] = 0;
        if (wr_json_next(json, &at, &item))
            (void)wr_text_to_real(item.p, item.len, &ret[k]);
    }
}

static void put_covariance(bool whole, const struct wr_dset *set, struct wr_vec *out, uint32_t row)
{
    double mean[2] = {0, 0}, sum = 0, x[2];
    for (uint32_t i = 0; i < set->n; i++) {
        read_pair(slice_of(set, i), x);
        double d = x[0] - mean[0];
        mean[0] += d / (i + 1);
        mean[1] += (x[1] - mean[1]) / (i + 1);
        sum += d * (x[1] - mean[1]);
    }
    wr_put_r(out, row, set->n > 1 ? sum / (set->n - !whole) : 0);
}

/* Values with their weights, sorted; those without a weight are left out. */
static bool weighted(struct wr_eval *ev, bool pairs, enum wr_type in, const struct wr_dset *set,
                     struct wr_digest *d)
{
    *d = (struct wr_digest){0};
    if (!wr_digest_room(ev, d, set->n + 1))
        return false;
    for (uint32_t i = 0; i < set->n; i++) {
        double x[2] = {in == WR_REAL ? set->cell[i].r : (double)set->cell[i].i, (double)wr_dset_weight(set, i)};
        if (pairs)
            read_pair(slice_of(set, i), x);
        if (x[1] > 0)
            d->at[d->n++] = (struct wr_weighted){x[0], x[1]};
    }
    return true;
}

static int by_value(const void *pa, const void *pb)
{
    double a = ((const struct wr_weighted *)pa)->v, b = ((const struct wr_weighted *)pb)->v;
    if (isnan(a) || isnan(b))
        return isnan(b) - isnan(a); /* NaN first */
    return (a > b) - (a < b);
}

static void put_percentilew(struct wr_eval *ev, const struct wr_agg_call *call,
                            const struct wr_dset *set, struct wr_vec *out, uint32_t row)
{
    struct wr_digest d;
    if (!weighted(ev, true, WR_REAL, set, &d) || !d.n)
        return;
    qsort(d.at, d.n, sizeof *d.at, by_value);
    double v = wr_weighted_percentile(d.at, d.n, call->args[1]->value.r);
    if (out->r)
        wr_put_r(out, row, v);
    else
        wr_put_i(out, row, (int64_t)v);
}

/* The type that the values of a pair had stands in `out_type`: times are printed as such. */
static void put_percentiles(struct wr_eval *ev, const struct wr_agg_call *call, enum wr_type in,
                            const struct wr_dset *set, struct wr_vec *out, uint32_t row)
{
    struct wr_slice wanted = {wr_str_data(&call->args[1]->value.s), call->args[1]->value.s.len},
                    item;
    const char *at = NULL;
    struct wr_digest d;
    struct wr_buf json = {0};
    bool pairs = call->agg->kind == WR_AGG_PERCENTILESW_ARRAY;
    enum wr_type type = pairs ? (enum wr_type)call->args[2]->value.i : in;
    if (!weighted(ev, pairs, in, set, &d) || !d.n)
        return;
    qsort(d.at, d.n, sizeof *d.at, by_value);
    wr_buf_char(&json, '[');
    while (wr_json_next(wanted, &at, &item)) {
        double p = 0;
        (void)wr_text_to_real(item.p, item.len, &p);
        double v = wr_weighted_percentile(d.at, d.n, p);
        int64_t whole = (int64_t)v;
        struct wr_vec one = {.type = type};
        if (type == WR_REAL)
            one.r = &v;
        else
            one.i = &whole;
        wr_buf_str(&json, json.len > 1 ? "," : "");
        wr_json_cell(&one, 0, &json);
    }
    wr_buf_char(&json, ']');
    put(ev, &json, out, row);
}

/* ---- buildschema ---- */

enum { NODES_MAX = 4096, TYPES = 5 };

/* What was seen at one place: names of types in the order in which they came; members, if it was a
 * bag or an array. */
struct node {
    const char *types[TYPES];
    uint32_t ntypes;
    uint32_t first, next; /* member, next member of the parent; 0: none */
    struct wr_slice key;  /* with its quotes */
};

struct schema {
    struct node *node;
    uint32_t n;
    bool full;
};

static void add_type(struct node *at, const char *type)
{
    for (uint32_t i = 0; i < at->ntypes; i++)
        if (at->types[i] == type)
            return;
    if (at->ntypes < TYPES)
        at->types[at->ntypes++] = type;
}

static uint32_t member_of(struct schema *s, uint32_t parent, struct wr_slice key)
{
    uint32_t *link = &s->node[parent].first;
    for (; *link; link = &s->node[*link].next)
        if (s->node[*link].key.len == key.len && memcmp(s->node[*link].key.p, key.p, key.len) == 0)
            return *link;
    if (s->n == NODES_MAX) {
        s->full = true;
        return 0;
    }
    s->node[s->n].key = key;
    *link = s->n;
    return s->n++;
}

static const char bag_type[] = "bag", indexer[] = "\"`indexer`\"";

static void add_value(struct schema *s, uint32_t at, struct wr_slice v, int depth)
{
    static const char *const names[] = {"string", "bool", "long", "double"};
    struct wr_slice key, item;
    const char *p = NULL;
    int64_t whole;
    if (s->full || !v.len || v.p[0] == 'n' || depth > WR_JSON_DEPTH)
        return;
    if (v.p[0] == '{') {
        add_type(&s->node[at], bag_type);
        while (!s->full && wr_json_next_member(v, &p, &key, &item))
            add_value(s, member_of(s, at, key), item, depth + 1);
    } else if (v.p[0] == '[') {
        add_type(&s->node[at], bag_type);
        uint32_t in = member_of(s, at, (struct wr_slice){indexer, sizeof indexer - 1});
        while (!s->full && wr_json_next(v, &p, &item))
            add_value(s, in, item, depth + 1);
    } else {
        int k = v.p[0] == '"'                         ? 0
                : v.p[0] == 't' || v.p[0] == 'f'      ? 1
                : wr_text_to_long(v.p, v.len, &whole) ? 2
                                                      : 3;
        add_type(&s->node[at], names[k]);
    }
}

static void print_node(const struct schema *s, uint32_t at, struct wr_buf *json)
{
    const struct node *n = &s->node[at];
    wr_buf_str(json, n->ntypes == 1 ? "" : "[");
    for (uint32_t i = 0; i < n->ntypes; i++) {
        wr_buf_str(json, i ? "," : "");
        if (n->types[i] != bag_type) {
            wr_json_cstr(json, n->types[i]);
            continue;
        }
        wr_buf_char(json, '{');
        for (uint32_t m = n->first; m; m = s->node[m].next) {
            wr_buf_str(json, m == n->first ? "" : ",");
            wr_buf_add(json, s->node[m].key.p, s->node[m].key.len);
            wr_buf_char(json, ':');
            print_node(s, m, json);
        }
        wr_buf_char(json, '}');
    }
    wr_buf_str(json, n->ntypes == 1 ? "" : "]");
}

static void put_schema(struct wr_eval *ev, const struct wr_dset *set, struct wr_vec *out,
                       uint32_t row)
{
    struct schema s = {.n = 1};
    struct wr_buf json = {0};
    if (!set->n)
        return;
    s.node = wr_arena_alloc(ev->arena, NODES_MAX * sizeof *s.node);
    if (!s.node) {
        ev->err = WR_ENOMEM;
        return;
    }
    for (uint32_t i = 0; i < set->n; i++)
        add_value(&s, 0, slice_of(set, i), 0);
    if (s.full) {
        ev->err = WR_ELIMIT; /* a batch answers exactly or not at all */
        return;
    }
    print_node(&s, 0, &json);
    put(ev, &json, out, row);
}

/* ---- sketches ---- */

static void put_hll(struct wr_eval *ev, const struct wr_agg_call *call, enum wr_type in,
                    const struct wr_dset *set, struct wr_vec *out, uint32_t row)
{
    uint32_t at = wr_agg_has_pred(call) ? 2 : 1;
    struct wr_hll h;
    struct wr_buf json = {0}, text = {0};
    if (!set->n || !wr_hll_init(ev, &h, call->nargs > at ? call->args[at]->value.i : 1))
        return;
    for (uint32_t i = 0; i < set->n; i++) {
        struct wr_value v = wr_dset_value(set, in, i);
        struct wr_vec one = wr_dset_vec(in, &v);
        wr_buf_reset(&text);
        wr_text_at(&one, 0, &text);
        wr_hll_add(ev, &h, wr_xxh64(0, text.data ? text.data : "", text.len));
    }
    wr_hll_put(&h, &json);
    wr_buf_fini(&text);
    put(ev, &json, out, row);
}

static void put_merged_hll(struct wr_eval *ev, const struct wr_dset *set, struct wr_vec *out,
                           uint32_t row)
{
    struct wr_hll h = {0};
    struct wr_buf json = {0};
    for (uint32_t i = 0; i < set->n; i++)
        if (!wr_hll_merge(ev, &h, slice_of(set, i)))
            return;
    if (!set->n)
        return;
    wr_hll_put(&h, &json);
    put(ev, &json, out, row);
}

static void put_digest(struct wr_eval *ev, bool merge, const struct wr_dset *set,
                       struct wr_vec *out, uint32_t row)
{
    struct wr_digest d = {0};
    struct wr_buf json = {0};
    if (!merge && !weighted(ev, true, WR_REAL, set, &d))
        return;
    for (uint32_t i = 0; merge && i < set->n; i++)
        if (!wr_digest_merge(ev, &d, slice_of(set, i)))
            return;
    wr_digest_settle(&d);
    if (!d.n)
        return;
    wr_digest_put(&d, &json);
    put(ev, &json, out, row);
}

void wr_agg_put_kept(struct wr_eval *ev, const struct wr_agg_call *call, enum wr_type in,
                     const struct wr_dset *set, struct wr_vec *out, uint32_t row)
{
    switch (call->agg->kind) {
    case WR_AGG_BITS_AND:
    case WR_AGG_BITS_OR:
    case WR_AGG_BITS_XOR:
        put_bits(call->agg->kind, set, out, row);
        break;
    case WR_AGG_LIST_NULLS:
        wr_agg_put_list(ev, call, in, set, out, row);
        break;
    case WR_AGG_COVARIANCE:
    case WR_AGG_COVARIANCEP:
        put_covariance(call->agg->kind == WR_AGG_COVARIANCEP, set, out, row);
        break;
    case WR_AGG_PERCENTILEW:
        put_percentilew(ev, call, set, out, row);
        break;
    case WR_AGG_PERCENTILES_ARRAY:
    case WR_AGG_PERCENTILESW_ARRAY:
        put_percentiles(ev, call, in, set, out, row);
        break;
    case WR_AGG_BUILDSCHEMA:
        put_schema(ev, set, out, row);
        break;
    case WR_AGG_HLL:
        put_hll(ev, call, in, set, out, row);
        break;
    case WR_AGG_HLL_MERGE:
        put_merged_hll(ev, set, out, row);
        break;
    case WR_AGG_TDIGEST:
    case WR_AGG_TDIGEST_MERGE:
        put_digest(ev, call->agg->kind == WR_AGG_TDIGEST_MERGE, set, out, row);
        break;
    default:
        break;
    }
}
