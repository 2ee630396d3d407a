/* A candidate is one text: whether its measure is there; of arg_max and arg_min by a text that text, as a value; then of
 * each aggregate that shares it, whether the value is there, and 8 bytes of it or 4 of its length and the text. A measure of
 * numbers or times stands in the set's hash. */
#include "rules/exec/best.h"

#include "base/decimal.h"
#include "rules/fn/json.h"
#include "rules/fn/kernel.h"

#include <stdlib.h>

enum { THIN_FROM = 32 };

/* What a row or a candidate is ranked by. */
struct measure {
    bool valid;
    uint64_t bits;
    struct wr_slice text;
};

bool wr_best_is(const struct wr_agg_place *p)
{
    bool text =
        (p->kind == WR_AGG_MIN || p->kind == WR_AGG_MAX) && wr_type_is_str(p->call->args[0]->type);
    return text || p->kind == WR_AGG_TAKE_ANY || p->kind == WR_AGG_ARG_MAX ||
           p->kind == WR_AGG_ARG_MIN;
}

static bool is_arg(const struct wr_agg_place *p)
{
    return p->kind == WR_AGG_ARG_MAX || p->kind == WR_AGG_ARG_MIN;
}

bool wr_best_shares(const struct wr_agg_place *a, const struct wr_agg_place *b)
{
    const struct wr_ex *x = a->call->args[0], *y = b->call->args[0];
    bool cols = x->kind == WR_EX_COL && y->kind == WR_EX_COL && x->col == y->col;
    bool none = x->kind == WR_EX_CONST && y->kind == WR_EX_CONST && x->type == WR_LONG && y->type == WR_LONG &&
                x->value.i == y->value.i; /* take_any(a, b) */
    return is_arg(a) && a->kind == b->kind && (cols || none);
}

static enum wr_type value_type(const struct wr_agg_place *p)
{
    return p->call->args[is_arg(p)]->type;
}

/* Number of aggregates that share the candidates of `a`. */
static uint32_t members(const struct wr_agg_layout *layout, uint32_t a)
{
    uint32_t n = 1;
    while (a + n < layout->naggs && layout->agg[a + n].follows == a + 1)
        n++;
    return n;
}

static struct wr_slice blob_of(const struct wr_dset *set, uint32_t i)
{
    const struct wr_str *s = &set->cell[i].s;
    return (struct wr_slice){wr_str_data(s), s->len};
}

/* The value at *at of a candidate, and what follows it; false: it is not there. */
static bool read_value(const char **at, bool text, struct wr_slice *ret)
{
    const char *p = *at;
    uint32_t len = 8;
    bool valid = *p++ != 0;
    if (valid && text) {
        memcpy(&len, p, sizeof len);
        p += sizeof len;
    }
    *ret = (struct wr_slice){p, valid ? len : 0};
    *at = p + ret->len;
    return valid;
}

/* Its measure stands in a candidate before the values. */
static bool by_text(const struct wr_agg_place *p)
{
    return is_arg(p) && wr_type_is_str(p->call->args[0]->type);
}

/* Where a candidate's values begin. */
static const char *values_of(const struct wr_agg_place *p, struct wr_slice blob)
{
    struct wr_slice measure;
    const char *at = blob.p + 1;
    if (by_text(p))
        (void)read_value(&at, true, &measure);
    return at;
}

/* Of a minimum or maximum of texts the value itself. */
static struct measure measure_of(const struct wr_agg_place *p, const struct wr_dset *set,
                                 uint32_t i)
{
    struct wr_slice blob = blob_of(set, i);
    struct measure m = {.valid = *blob.p != 0, .bits = set->val[i].hash};
    const char *at = blob.p + 1;
    if (by_text(p) || p->kind == WR_AGG_MIN || p->kind == WR_AGG_MAX)
        (void)read_value(&at, true, &m.text);
    return m;
}

static struct measure measure_at(const struct wr_vec *v, uint32_t row)
{
    struct measure m = {.valid = wr_vec_valid(v, row)};
    if (!m.valid)
        return m;
    if (v->s)
        m.text = (struct wr_slice){wr_str_data(&v->s[row]), v->s[row].len};
    else if (v->r)
        memcpy(&m.bits, &v->r[row], sizeof m.bits);
    else
        m.bits = (uint64_t)v->i[row];
    return m;
}

/* x takes the place of y, which came before it. */
static bool beats(const struct wr_agg_place *p, const struct measure *x, const struct measure *y)
{
    enum wr_type type = p->call->args[0]->type;
    int cmp, want = p->kind == WR_AGG_MIN || p->kind == WR_AGG_ARG_MIN ? -1 : 1;
    if (p->kind == WR_AGG_TAKE_ANY || !x->valid || !y->valid)
        return p->kind != WR_AGG_TAKE_ANY && x->valid && !y->valid;
    if (type == WR_DECIMAL) {
        cmp = wr_dec_text_cmp(x->text.p, x->text.len, y->text.p, y->text.len);
    } else if (wr_type_is_str(type)) {
        struct wr_str a = wr_str_borrow(x->text.p, x->text.len),
                      b = wr_str_borrow(y->text.p, y->text.len);
        int order = wr_str_cmp(&a, &b); /* of any size */
        cmp = (order > 0) - (order < 0);
    } else if (type == WR_REAL) {
        double a, b;
        memcpy(&a, &x->bits, sizeof a);
        memcpy(&b, &y->bits, sizeof b);
        cmp = (a > b) - (a < b);
    } else {
        cmp = ((int64_t)x->bits > (int64_t)y->bits) - ((int64_t)x->bits < (int64_t)y->bits);
    }
    return cmp == want;
}

static void put_value(struct wr_buf *out, const struct wr_vec *v, uint32_t row)
{
    bool valid = wr_vec_valid(v, row);
    wr_buf_u8(out, valid);
    if (!valid)
        return;
    if (v->s) {
        uint32_t len = v->s[row].len;
        wr_buf_add(out, &len, sizeof len);
        wr_buf_add(out, wr_str_data(&v->s[row]), len);
    } else {
        wr_buf_add(out, v->r ? (const void *)&v->r[row] : (const void *)&v->i[row], 8);
    }
}

static bool equal(const struct wr_dset *set, uint32_t i, const struct wr_buf *blob,
                  const struct measure *m)
{
    struct wr_slice have = blob_of(set, i);
    return set->val[i].hash == m->bits && have.len == blob->len &&
           memcmp(have.p, blob->data, have.len) == 0;
}

static void drop_text(struct wr_dset *set, uint32_t i)
{
    if (set->cell[i].s.len <= WR_STR_INLINE)
        return;
    set->text_bytes -= set->cell[i].s.len;
    free((void *)(uintptr_t)wr_str_data(&set->cell[i].s));
}

/* Without those that `gone` says, in their order. */
static void sweep(struct wr_dset *set, const bool *gone)
{
    uint32_t n = 0;
    set->oldest = INT64_MAX;
    for (uint32_t i = 0; i < set->n; i++) {
        if (gone[i]) {
            drop_text(set, i);
            continue;
        }
        set->val[n] = set->val[i];
        set->cell[n++] = set->cell[i];
        set->oldest = set->val[i].seen < set->oldest ? set->val[i].seen : set->oldest;
    }
    set->n = n;
}

struct placed {
    int64_t pane;
    uint32_t at;
};

static int by_pane(const void *pa, const void *pb)
{
    const struct placed *a = pa, *b = pb;
    int c = (a->pane > b->pane) - (a->pane < b->pane);
    return c ? c : (a->at > b->at) - (a->at < b->at);
}

/* Of each pane its best, which stays until all of the pane's rows have left. */
static bool thin(const struct wr_agg_place *p, struct wr_dset *set, int64_t pane)
{
    struct placed *all = malloc(set->n * sizeof *all);
    bool *gone = calloc(set->n, sizeof *gone);
    bool ok = all && gone;
    for (uint32_t i = 0; ok && i < set->n; i++)
        all[i] = (struct placed){wr_pane_of(set->val[i].seen, pane), i};
    if (ok)
        qsort(all, set->n, sizeof *all, by_pane);
    for (uint32_t i = 0, next; ok && i < set->n; i = next) {
        uint32_t best = all[i].at;
        int64_t last = set->val[best].seen;
        for (next = i + 1; next < set->n && all[next].pane == all[i].pane; next++) {
            uint32_t other = all[next].at;
            struct measure x = measure_of(p, set, other), y = measure_of(p, set, best);
            last = set->val[other].seen > last ? set->val[other].seen : last;
            gone[beats(p, &x, &y) ? best : other] = true;
            best = gone[best] ? other : best;
        }
        set->val[best].seen = last;
    }
    if (ok)
        sweep(set, gone);
    set->thin_at = 2 * set->n;
    free(all);
    free(gone);
    return ok;
}

/* Those that the row beats and outlives. */
static bool drop_beaten(const struct wr_agg_place *p, struct wr_dset *set, const struct measure *m,
                        int64_t seen)
{
    bool few[64], *gone = set->n > 64 ? malloc(set->n) : few, any = false;
    if (!gone)
        return false;
    for (uint32_t i = 0; i < set->n; i++) {
        struct measure have = measure_of(p, set, i);
        gone[i] = set->val[i].seen <= seen && beats(p, m, &have);
        any |= gone[i];
    }
    if (any)
        sweep(set, gone);
    if (gone != few)
        free(gone);
    return true;
}

static bool counts(const struct wr_agg_place *p, const struct wr_vec *v, uint32_t row)
{
    bool empty = p->kind == WR_AGG_TAKE_ANY && v->type == WR_STRING && v->s[row].len == 0;
    return is_arg(p) || (wr_vec_valid(v, row) && !empty);
}

enum wr_err wr_best_add(const struct wr_agg_layout *layout, uint32_t a,
                        const struct wr_agg_args *args, uint32_t row, struct wr_dset *set,
                        int64_t seen, int64_t pane, uint32_t limit)
{
    static const struct wr_hash_key none;
    const struct wr_agg_place *p = &layout->agg[a];
    if (!counts(p, &args->arg[a][0], row))
        return WR_OK;
    struct measure m = measure_at(&args->arg[a][0], row);
    for (uint32_t i = set->n; i-- > 0;) { /* the last is the likeliest */
        struct measure have = measure_of(p, set, i);
        if (set->val[i].seen >= seen && !beats(p, &m, &have))
            return WR_OK;
    }
    struct wr_buf blob = {0};
    wr_buf_u8(&blob, m.valid);
    if (by_text(p))
        put_value(&blob, &args->arg[a][0], row);
    for (uint32_t k = 0, n = members(layout, a); k < n; k++)
        put_value(&blob, &args->arg[a + k][is_arg(p)], row);
    if (!is_arg(p))
        m.bits = 0;
    enum wr_err err = blob.err ? WR_ENOMEM : WR_OK;
    if (!err && set->n && equal(set, set->n - 1, &blob, &m)) {
        set->val[set->n - 1].seen = seen; /* the same again, and nothing between */
    } else if (!err) {
        struct wr_str text = wr_str_borrow(blob.data, blob.len);
        struct wr_vec one = {.type = WR_STRING, .s = &text};
        uint32_t most = set->thin_at > THIN_FROM ? set->thin_at : THIN_FROM;
        bool ok = drop_beaten(p, set, &m, seen) && (set->n < most || thin(p, set, pane));
        uint32_t before = set->n;
        err = ok ? wr_dset_add(set, &none, &one, 0, seen, false, limit) : WR_ENOMEM;
        if (!err && set->n && (set->n > before || set->lost))
            set->val[set->n - 1].hash = m.bits;
    }
    wr_buf_fini(&blob);
    return err;
}

void wr_best_final(struct wr_eval *ev, const struct wr_agg_layout *layout, uint32_t a,
                   const struct wr_dset *set, struct wr_vec *out, uint32_t row)
{
    uint32_t first = layout->agg[a].follows ? layout->agg[a].follows - 1u : a, best = 0;
    const struct wr_agg_place *p = &layout->agg[first];
    if (!set->n)
        return;
    struct measure have = measure_of(p, set, 0);
    for (uint32_t i = 1; i < set->n; i++) {
        struct measure m = measure_of(p, set, i);
        if (beats(p, &m, &have)) {
            have = m;
            best = i;
        }
    }
    struct wr_slice v;
    const char *at = values_of(p, blob_of(set, best));
    bool valid = false;
    for (uint32_t k = first; k <= a; k++)
        valid = read_value(&at, wr_type_is_str(value_type(&layout->agg[k])), &v);
    if (!valid)
        return;
    if (out->s) {
        wr_put_text(ev, out, row, v.p, v.len);
    } else if (out->r) {
        double r;
        memcpy(&r, v.p, sizeof r);
        wr_put_r(out, row, r);
    } else {
        int64_t i;
        memcpy(&i, v.p, sizeof i);
        wr_put_i(out, row, i);
    }
}

/* Steps over a value; false: there is none. */
static bool skip_value(const char **at, const char *end, bool text)
{
    uint32_t size = 8;
    if (*at == end || (uint8_t) **at > 1)
        return false;
    if (!*(*at)++)
        return true;
    if (text && (size_t)(end - *at) < sizeof size)
        return false;
    if (text) {
        memcpy(&size, *at, sizeof size);
        *at += sizeof size;
    }
    if ((size_t)(end - *at) < size)
        return false;
    *at += size;
    return true;
}

bool wr_best_check(const struct wr_agg_layout *layout, uint32_t a, const char *bytes, size_t len)
{
    const char *at = bytes, *end = bytes + len;
    if (!len || (uint8_t)*at++ > 1 || (by_text(&layout->agg[a]) && !skip_value(&at, end, true)))
        return false;
    for (uint32_t k = a, n = a + members(layout, a); k < n; k++)
        if (!skip_value(&at, end, wr_type_is_str(value_type(&layout->agg[k]))))
            return false;
    return at == end;
}
