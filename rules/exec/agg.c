#include "rules/exec/agg.h"

#include "rules/exec/agg_decimal.h"
#include "rules/exec/agg_list.h"
#include "rules/exec/best.h"
#include "rules/exec/eval.h"
#include "rules/fn/json.h"
#include "rules/fn/kernel.h"

#include "base/decimal.h"

#include <math.h>

/* Slots by kind: sum of integers 1, of reals 2 (Neumaier's compensated pair), average 3 (128-bit or
 * compensated sum, count), deviation 3 (count, mean, squares), min and max 1 or 2 (text), any 2, row of a
 * maximum 2 + 2. */
static uint16_t slots_of(const struct wr_agg_place *p)
{
    if (p->dset != WR_NO_DSET || p->by_key || p->of_time || p->hashed)
        return 0;
    switch (p->kind) {
    case WR_AGG_COUNT:
        return 0;
    case WR_AGG_SUM:
    case WR_AGG_SUMIF:
        return p->in == WR_DECIMAL ? WR_DEC_SLOTS : p->in == WR_REAL ? 2 : 1;
    case WR_AGG_MIN:
    case WR_AGG_MAX:
        return wr_type_is_str(p->in) ? 2 : 1;
    case WR_AGG_AVG:
        return p->in == WR_DECIMAL ? WR_DEC_SLOTS + 1 : 3;
    case WR_AGG_STDEV:
    case WR_AGG_VARIANCE:
    case WR_AGG_STDEVP:
    case WR_AGG_VARIANCEP:
        return 3;
    case WR_AGG_TAKE_ANY:
        return 2;
    case WR_AGG_ARG_MAX:
    case WR_AGG_ARG_MIN:
        return 5; /* measure 2, value 2, value is there */
    default:
        return 1;
    }
}

static bool needs_valid(enum wr_agg_kind kind)
{
    return kind == WR_AGG_MIN || kind == WR_AGG_MAX || kind == WR_AGG_TAKE_ANY || kind == WR_AGG_ARG_MAX ||
           kind == WR_AGG_ARG_MIN;
}

void wr_agg_layout_place(struct wr_agg_layout *layout)
{
    layout->has_valid = false;
    for (uint32_t a = 0; a < layout->naggs; a++)
        layout->has_valid |= needs_valid(layout->agg[a].kind) && slots_of(&layout->agg[a]);
    layout->nslots = layout->has_valid ? (layout->naggs + 63) / 64 : 0;
    layout->nkept = 0;
    for (uint32_t a = 0; a < layout->naggs; a++) {
        uint16_t n = slots_of(&layout->agg[a]);
        layout->agg[a].first = (uint16_t)layout->nslots;
        layout->agg[a].word = (uint8_t)(a / 64);
        layout->nslots += n;
        if (n)
            layout->kept[layout->nkept++] = (uint8_t)a;
    }
    layout->nrow = layout->nslots;
    for (uint32_t a = 0; a < layout->naggs; a++)
        if (layout->agg[a].hashed)
            layout->agg[a].first = (uint16_t)layout->nrow++;
}

bool wr_agg_layout_init(struct wr_agg_layout *layout, const struct wr_op *summarize)
{
    *layout = (struct wr_agg_layout){.naggs = summarize->naggs};
    if (summarize->naggs > WR_AGGS_MAX)
        return false;
    for (uint32_t a = 0; a < layout->naggs; a++) {
        const struct wr_agg_call *call = &summarize->aggs[a];
        struct wr_agg_place *p = &layout->agg[a];
        *p = (struct wr_agg_place){.call = call, .kind = call->agg->kind, .dset = WR_NO_DSET};
        p->in = call->nargs ? call->args[0]->type : WR_LONG;
        if (p->kind == WR_AGG_DCOUNT || p->kind == WR_AGG_DCOUNTIF || wr_agg_keeps(p->kind))
            p->dset = (uint8_t)layout->ndsets++;
        if (layout->ndsets >= WR_NO_DSET)
            return false;
    }
    wr_agg_layout_place(layout);
    return true;
}

static void add_real(union wr_slot *s, double x)
{
    double t = s[0].r + x;
    if (isfinite(t))
        s[1].r += fabs(s[0].r) >= fabs(x) ? (s[0].r - t) + x : (x - t) + s[0].r;
    s[0].r = t;
}

static void add_wide(union wr_slot *s, __int128_t x)
{
    __int128_t v = (__int128_t)((unsigned __int128)(uint64_t)s[1].i << 64 | s[0].u) + x;
    s[0].u = (uint64_t)v;
    s[1].i = (int64_t)(v >> 64);
}

static __int128_t wide(const union wr_slot *s)
{
    return (__int128_t)((unsigned __int128)(uint64_t)s[1].i << 64 | s[0].u);
}

/* Chan, Golub, LeVeque: two partial deviations into one. */
static void merge_deviation(union wr_slot *a, double n, double mean, double m2)
{
    if (n == 0)
        return;
    double total = a[0].r + n, d = mean - a[1].r;
    a[2].r += m2 + d * d * a[0].r * n / total;
    a[1].r += d * n / total;
    a[0].r = total;
}

static bool store(union wr_slot *s, const struct wr_vec *v, uint32_t row, struct wr_arena *arena)
{
    struct wr_str text;
    if (v->s) {
        if (!wr_str_copy(arena, wr_str_data(&v->s[row]), v->s[row].len, &text))
            return false;
        memcpy(s, &text, sizeof text);
    } else if (v->r) {
        s->r = v->r[row];
    } else {
        s->i = v->i[row];
    }
    return true;
}

/* Order of a cell against what a slot keeps. */
static int compare(const union wr_slot *s, const struct wr_vec *v, uint32_t row)
{
    if (v->s) {
        struct wr_str have;
        memcpy(&have, s, sizeof have);
        if (v->type == WR_DECIMAL)
            return wr_dec_text_cmp(wr_str_data(&v->s[row]), v->s[row].len, wr_str_data(&have), have.len);
        int order = wr_str_cmp(&v->s[row], &have); /* of any size */
        return (order > 0) - (order < 0);
    }
    if (v->r)
        return (v->r[row] > s->r) - (v->r[row] < s->r);
    return (v->i[row] > s->i) - (v->i[row] < s->i);
}

static bool is_true(const struct wr_vec *v, uint32_t row)
{
    return wr_vec_valid(v, row) && v->i[row];
}

static bool add_extreme(const struct wr_agg_place *p, union wr_slot *slots, uint64_t bit,
                        const struct wr_vec *args, uint32_t row, struct wr_arena *arena)
{
    union wr_slot *s = slots + p->first;
    int want = p->kind == WR_AGG_MIN || p->kind == WR_AGG_ARG_MIN ? -1 : 1;
    bool arg = p->kind == WR_AGG_ARG_MAX || p->kind == WR_AGG_ARG_MIN;
    bool valid = wr_vec_valid(&args[0], row);
    if (slots[p->word].u & bit ? !valid || compare(s, &args[0], row) != want : !valid && (!arg || s[4].u))
        return true;
    if (valid) {
        slots[p->word].u |= bit;
        if (!store(s, &args[0], row, arena))
            return false;
    }
    if (!arg)
        return true;
    bool has = wr_vec_valid(&args[1], row);
    s[4].u = has ? 1 : 2; /* 0: no row yet; 2: the row's value is null */
    return !has || store(s + 2, &args[1], row, arena);
}

/* Prefers what is neither null nor empty. */
static bool add_any(union wr_slot *s, uint64_t *valid, uint64_t bit, const struct wr_vec *v, uint32_t row,
                    struct wr_arena *arena)
{
    if ((*valid & bit) || !wr_vec_valid(v, row) || (v->type == WR_STRING && v->s[row].len == 0))
        return true;
    *valid |= bit;
    return store(s, v, row, arena);
}

static bool add_one(const struct wr_agg_place *p, uint32_t a, union wr_slot *slots, const struct wr_vec *args,
                    uint32_t row, struct wr_arena *arena)
{
    union wr_slot *s = slots + p->first;
    uint64_t bit = UINT64_C(1) << (a & 63);
    switch (p->kind) {
    case WR_AGG_COUNTIF:
        s->i += is_true(&args[0], row);
        return true;
    case WR_AGG_SUMIF:
        if (!is_true(&args[1], row))
            return true;
        /* fall through */
    case WR_AGG_SUM:
        if (!wr_vec_valid(&args[0], row))
            return true;
        if (p->in == WR_DECIMAL)
            wr_dec_slots_add(s, &args[0], row);
        else if (p->in == WR_REAL)
            add_real(s, args[0].r[row]);
        else
            s->u += (uint64_t)args[0].i[row];
        return true;
    case WR_AGG_AVG:
        if (!wr_vec_valid(&args[0], row))
            return true;
        if (p->in == WR_DECIMAL) {
            wr_dec_slots_add(s, &args[0], row);
            s[WR_DEC_SLOTS].i++;
            return true;
        }
        if (p->in == WR_REAL)
            add_real(s, args[0].r[row]);
        else
            add_wide(s, args[0].i[row]);
        s[2].i++;
        return true;
    case WR_AGG_STDEV:
    case WR_AGG_VARIANCE:
    case WR_AGG_STDEVP:
    case WR_AGG_VARIANCEP:
        if (wr_vec_valid(&args[0], row))
            merge_deviation(s, 1, wr_num_at(&args[0], row), 0);
        return true;
    case WR_AGG_TAKE_ANY:
        return add_any(s, &slots[p->word].u, bit, &args[0], row, arena);
    case WR_AGG_MIN:
    case WR_AGG_MAX:
    case WR_AGG_ARG_MAX:
    case WR_AGG_ARG_MIN:
        return add_extreme(p, slots, bit, args, row, arena);
    default:
        return true;
    }
}

bool wr_agg_add(const struct wr_agg_layout *layout, union wr_slot *slots, const struct wr_agg_args *args,
                uint32_t row, struct wr_arena *arena)
{
    for (uint32_t i = 0; i < layout->nkept; i++) {
        uint32_t a = layout->kept[i];
        if (!add_one(&layout->agg[a], a, slots, args->arg[a], row, arena))
            return false;
    }
    return true;
}

/* Sums and extremes of whole numbers: a column at a time. */
static void rows_of_whole(const struct wr_agg_layout *layout, uint32_t a, union wr_slot *slots, uint32_t stride,
                          const struct wr_vec *v, const struct wr_sel *sel)
{
    uint32_t first = layout->agg[a].first, word = layout->agg[a].word;
    bool extreme = layout->agg[a].kind == WR_AGG_MIN || layout->agg[a].kind == WR_AGG_MAX;
    if (wr_vec_full(v, sel)) {
        for (uint32_t k = 0; k < sel->n; k++)
            slots[(size_t)k * stride + first].i = v->i[sel->row[k]];
        for (uint32_t k = 0; extreme && k < sel->n; k++)
            slots[(size_t)k * stride + word].u |= UINT64_C(1) << (a & 63);
        return;
    }
    for (uint32_t k = 0; k < sel->n; k++, slots += stride) {
        uint32_t row = sel->row[k];
        bool valid = wr_vec_valid(v, row);
        slots[first].i = valid ? v->i[row] : 0;
        if (extreme)
            slots[word].u |= (uint64_t)valid << (a & 63);
    }
}

/* 47 bits, never 0: six bytes where a row is coded. */
static void rows_of_hashes(const struct wr_agg_layout *layout, uint32_t a, union wr_slot *slots, uint32_t stride,
                           const struct wr_agg_args *args, const struct wr_sel *sel, const struct wr_hash_key *secret)
{
    const struct wr_vec *v = &args->arg[a][0];
    slots += layout->agg[a].first;
    for (uint32_t k = 0; k < sel->n; k++, slots += stride) {
        uint64_t hash = 0;
        if (wr_agg_distinct_row(layout, a, args, sel->row[k])) {
            hash = wr_dset_hash(secret, v, sel->row[k]) >> 17;
            hash = hash ? hash : 1;
        }
        slots->u = hash;
    }
}

void wr_agg_rows(const struct wr_agg_layout *layout, union wr_slot *slots, uint32_t stride,
                 const struct wr_agg_args *args, const struct wr_sel *sel, const struct wr_hash_key *secret)
{
    for (uint32_t i = 0; i < layout->nkept; i++) {
        uint32_t a = layout->kept[i];
        const struct wr_agg_place *p = &layout->agg[a];
        bool whole = p->kind == WR_AGG_SUM || p->kind == WR_AGG_MIN || p->kind == WR_AGG_MAX; /* of numbers, times */
        if (whole && args->arg[a][0].i) {
            rows_of_whole(layout, a, slots, stride, &args->arg[a][0], sel);
            continue;
        }
        for (uint32_t k = 0; k < sel->n; k++)
            (void)add_one(p, a, slots + (size_t)k * stride, args->arg[a], sel->row[k], NULL);
    }
    for (uint32_t a = 0; layout->nrow > layout->nslots && a < layout->naggs; a++)
        if (layout->agg[a].hashed)
            rows_of_hashes(layout, a, slots, stride, args, sel, secret);
}

static void merge_one(const struct wr_agg_place *p, uint64_t bit, union wr_slot *dst,
                      const union wr_slot *src)
{
    union wr_slot *d = dst + p->first;
    const union wr_slot *s = src + p->first;
    switch (p->kind) {
    case WR_AGG_COUNTIF:
        d->i += s->i;
        break;
    case WR_AGG_SUM:
    case WR_AGG_SUMIF:
        if (p->in == WR_DECIMAL) {
            wr_dec_slots_merge(d, s, false);
        } else if (p->in == WR_REAL) {
            add_real(d, s[0].r);
            d[1].r += s[1].r;
        } else {
            d->u += s->u;
        }
        break;
    case WR_AGG_AVG:
        if (p->in == WR_DECIMAL) {
            wr_dec_slots_merge(d, s, false);
            d[WR_DEC_SLOTS].i += s[WR_DEC_SLOTS].i;
            break;
        }
        if (p->in == WR_REAL) {
            add_real(d, s[0].r);
            d[1].r += s[1].r;
        } else {
            add_wide(d, wide(s));
        }
        d[2].i += s[2].i;
        break;
    case WR_AGG_STDEV:
    case WR_AGG_VARIANCE:
    case WR_AGG_STDEVP:
    case WR_AGG_VARIANCEP:
        merge_deviation(d, s[0].r, s[1].r, s[2].r);
        break;
    case WR_AGG_MIN:
    case WR_AGG_MAX: {
        if (!(src[p->word].u & bit))
            break;
        int cmp = p->in == WR_REAL ? (s->r > d->r) - (s->r < d->r) : (s->i > d->i) - (s->i < d->i);
        if (!(dst[p->word].u & bit) || (p->kind == WR_AGG_MIN ? cmp < 0 : cmp > 0))
            *d = *s;
        dst[p->word].u |= bit;
        break;
    }
    default:
        break; /* slots of batch runs only, which never merge; a stream keeps candidates (best.h) */
    }
}

void wr_agg_merge(const struct wr_agg_layout *layout, union wr_slot *dst, const union wr_slot *src)
{
    for (uint32_t i = 0; i < layout->nkept; i++) {
        const struct wr_agg_place *p = &layout->agg[layout->kept[i]];
        if (p->kind == WR_AGG_SUM && p->in != WR_REAL && p->in != WR_DECIMAL)
            dst[p->first].u += src[p->first].u; /* the most common */
        else
            merge_one(p, UINT64_C(1) << (layout->kept[i] & 63), dst, src);
    }
}

/* -1, 0, 1 of two slots of a minimum or maximum. */
static int compare_slots(const struct wr_agg_place *p, const union wr_slot *x, const union wr_slot *y)
{
    return p->in == WR_REAL ? (x->r > y->r) - (x->r < y->r) : (x->i > y->i) - (x->i < y->i);
}

/* The old value was not the extreme, or the new one takes its place. */
static bool extreme_stands(const struct wr_agg_place *p, uint64_t bit, const union wr_slot *dst,
                           const union wr_slot *old, const union wr_slot *new)
{
    if (!(old[p->word].u & bit) || compare_slots(p, dst + p->first, old + p->first) != 0)
        return true;
    if (!new || !(new[p->word].u & bit))
        return false;
    int cmp = compare_slots(p, new + p->first, old + p->first);
    return p->kind == WR_AGG_MIN ? cmp <= 0 : cmp >= 0;
}

static bool amend_one(const struct wr_agg_place *p, uint64_t bit, union wr_slot *dst,
                      const union wr_slot *old, const union wr_slot *new)
{
    union wr_slot *d = dst + p->first;
    const union wr_slot *s = old + p->first;
    bool real = p->in == WR_REAL, exact = true;
    switch (p->kind) {
    case WR_AGG_COUNTIF:
        d->i -= s->i;
        break;
    case WR_AGG_SUM:
    case WR_AGG_SUMIF:
    case WR_AGG_AVG:
        if (p->in == WR_DECIMAL) {
            wr_dec_slots_merge(d, s, true);
            d[WR_DEC_SLOTS].i -= p->kind == WR_AGG_AVG ? s[WR_DEC_SLOTS].i : 0;
            break;
        }
        if (real) {
            add_real(d, -s[0].r);
            d[1].r -= s[1].r;
        } else if (p->kind == WR_AGG_AVG) {
            add_wide(d, -wide(s));
        } else {
            d->u -= s->u;
        }
        if (p->kind == WR_AGG_AVG)
            d[2].i -= s[2].i;
        break;
    case WR_AGG_MIN:
    case WR_AGG_MAX:
        exact = extreme_stands(p, bit, dst, old, new);
        break;
    default:
        return !memcmp(s, new ? new + p->first : s, slots_of(p) * sizeof *s) &&
               new; /* cannot be taken back */
    }
    if (new)
        merge_one(p, bit, dst, new);
    return exact;
}

bool wr_agg_amend(const struct wr_agg_layout *layout, union wr_slot *dst, const union wr_slot *old,
                  const union wr_slot *new)
{
    bool exact = true;
    for (uint32_t i = 0; i < layout->nkept; i++)
        exact &= amend_one(&layout->agg[layout->kept[i]], UINT64_C(1) << (layout->kept[i] & 63), dst, old, new);
    return exact;
}

bool wr_agg_distinct_row(const struct wr_agg_layout *layout, uint32_t a, const struct wr_agg_args *args,
                         uint32_t row)
{
    return wr_vec_valid(&args->arg[a][0], row) &&
           (!wr_agg_has_pred(layout->agg[a].call) || is_true(&args->arg[a][1], row));
}

bool wr_agg_once_a_pane(enum wr_agg_kind kind)
{
    return kind == WR_AGG_MAKE_BAG || kind == WR_AGG_BUILDSCHEMA;
}

int64_t wr_agg_accuracy(const struct wr_agg_call *call)
{
    uint32_t at = call->agg->kind == WR_AGG_DCOUNT ? 1 : 2;
    bool given = call->nargs > at && call->args[at]->kind == WR_EX_CONST && !call->args[at]->value.null;
    return given ? call->args[at]->value.i : 1;
}

bool wr_agg_thins(enum wr_agg_kind kind)
{
    return kind == WR_AGG_PERCENTILE || kind == WR_AGG_PERCENTILES_ARRAY;
}

enum wr_err wr_agg_distinct_add(const struct wr_agg_layout *layout, uint32_t a,
                                const struct wr_agg_args *args, uint32_t row, struct wr_dset *set,
                                const struct wr_hash_key *secret, int64_t seen, uint32_t limit)
{
    const struct wr_vec *v = &args->arg[a][0];
    enum wr_agg_kind kind = layout->agg[a].kind;
    if (!wr_agg_distinct_row(layout, a, args, row))
        return WR_OK;
    if (kind == WR_AGG_DCOUNT || kind == WR_AGG_DCOUNTIF)
        return wr_dset_add_hash(set, wr_dset_hash(secret, v, row), seen, limit);
    if ((kind != WR_AGG_MAKE_SET && kind != WR_AGG_MAKE_LIST) || v->type != WR_DYNAMIC || v->s[row].len == 0 ||
        wr_str_data(&v->s[row])[0] != '[')
        return wr_dset_add(set, secret, v, row, seen, !wr_agg_keeps_all(kind), limit);
    struct wr_slice all = {wr_str_data(&v->s[row]), v->s[row].len}, item;
    const char *at = NULL;
    enum wr_err err = WR_OK;
    while (!err && wr_json_next(all, &at, &item)) {
        struct wr_str json = wr_str_borrow(item.p, item.len);
        struct wr_vec one = {.type = WR_DYNAMIC, .s = &json};
        err = wr_dset_add(set, secret, &one, 0, seen, kind == WR_AGG_MAKE_SET, limit);
    }
    return err;
}

static void put_slot(struct wr_vec *out, uint32_t row, const union wr_slot *s)
{
    struct wr_str text;
    if (out->s) {
        memcpy(&text, s, sizeof text);
        wr_put_s(out, row, text);
    } else if (out->r) {
        wr_put_r(out, row, s->r);
    } else {
        wr_put_i(out, row, s->i);
    }
}

static void put_avg(const struct wr_agg_place *p, const union wr_slot *s, struct wr_vec *out, uint32_t row)
{
    if (out->i) {
        if (s[2].i)
            wr_put_i(out, row, (int64_t)(wide(s) / s[2].i));
    } else if (s[2].i) {
        wr_put_r(out, row, (p->in == WR_REAL ? s[0].r + s[1].r : (double)wide(s)) / (double)s[2].i);
    } else {
        wr_put_r(out, row, NAN);
    }
}

void wr_agg_final(struct wr_eval *ev, const struct wr_agg_layout *layout, uint32_t a,
                  const union wr_slot *slots, uint64_t nrows, const struct wr_dset *set, struct wr_vec *out,
                  uint32_t row)
{
    const struct wr_agg_place *p = &layout->agg[a];
    const union wr_slot *s = slots ? slots + p->first : NULL; /* counts and sets have none */
    if (p->best) {
        wr_best_final(ev, layout, a, set, out, row);
        return;
    }
    switch (p->kind) {
    case WR_AGG_COUNT:
        wr_put_i(out, row, (int64_t)nrows);
        break;
    case WR_AGG_SUM:
    case WR_AGG_SUMIF:
        if (p->in == WR_DECIMAL)
            wr_dec_slots_put(ev, s, 0, out, row);
        else if (out->r)
            wr_put_r(out, row, s[0].r + s[1].r);
        else
            wr_put_i(out, row, s->i);
        break;
    case WR_AGG_COUNTIF:
        wr_put_i(out, row, s->i);
        break;
    case WR_AGG_AVG:
        if (p->in != WR_DECIMAL)
            put_avg(p, s, out, row);
        else if (s[WR_DEC_SLOTS].i)
            wr_dec_slots_put(ev, s, s[WR_DEC_SLOTS].i, out, row);
        break;
    case WR_AGG_STDEV:
    case WR_AGG_VARIANCE:
    case WR_AGG_STDEVP:
    case WR_AGG_VARIANCEP: {
        bool whole = p->kind == WR_AGG_STDEVP || p->kind == WR_AGG_VARIANCEP;
        double v = s[0].r > 1 ? fmax(s[2].r, 0) / (s[0].r - !whole) : 0;
        wr_put_r(out, row, p->kind == WR_AGG_STDEV || p->kind == WR_AGG_STDEVP ? sqrt(v) : v);
        break;
    }
    case WR_AGG_MIN:
    case WR_AGG_MAX:
    case WR_AGG_TAKE_ANY:
        if (slots[p->word].u >> (a & 63) & 1)
            put_slot(out, row, s);
        break;
    case WR_AGG_ARG_MAX:
    case WR_AGG_ARG_MIN:
        if (s[4].u == 1)
            put_slot(out, row, s + 2);
        break;
    case WR_AGG_DCOUNT:
    case WR_AGG_DCOUNTIF:
        wr_put_i(out, row, llround(wr_dset_distinct(set)));
        break;
    case WR_AGG_MAKE_SET:
    case WR_AGG_MAKE_LIST:
        wr_agg_put_list(ev, p->call, p->in, set, out, row);
        break;
    case WR_AGG_MAKE_BAG:
        wr_agg_put_bag(ev, p->call, set, out, row);
        break;
    case WR_AGG_PERCENTILE:
        wr_agg_put_percentile(ev, p->call, p->in, set, out, row);
        break;
    default:
        wr_agg_put_kept(ev, p->call, p->in, set, out, row);
        break;
    }
}
