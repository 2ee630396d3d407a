#include "rules/exec/dset.h"

#include "rules/exec/key.h"
#include "rules/fn/kernel.h"

#include <math.h>
#include <stdlib.h>

enum { FEW = 8 }; /* looked through one by one */

uint64_t wr_dset_hash(const struct wr_hash_key *secret, const struct wr_vec *vec, uint32_t row)
{
    if (vec->s) { /* good without a secret, too: the hash may stand for the value */
        struct wr_hash_key key = {secret->k0 ^ UINT64_C(0x9e3779b97f4a7c15), secret->k1 ^ UINT64_C(0xe7037ed1a0b428db)};
        return wr_key_hash_text(&key, wr_str_data(&vec->s[row]), vec->s[row].len);
    }
    uint64_t w;
    if (vec->r) {
        double r = vec->r[row] == 0 ? 0 : vec->r[row] != vec->r[row] ? NAN : vec->r[row];
        memcpy(&w, &r, sizeof w);
    } else {
        w = (uint64_t)vec->i[row];
    }
    return wr_key_hash_word(secret, w);
}

/* `vec` NULL: its hash alone says which value it is. */
static bool same(const struct wr_dset *set, uint32_t n, uint64_t hash, const struct wr_vec *vec, uint32_t row)
{
    if (set->val[n].hash != hash)
        return false;
    if (!vec)
        return true;
    const union wr_dcell *have = &set->cell[n];
    if (vec->s)
        return wr_str_eq(&have->s, &vec->s[row]);
    return vec->r ? have->r == vec->r[row] || (have->r != have->r && vec->r[row] != vec->r[row])
                  : have->i == vec->i[row];
}

static struct wr_dval *find(const struct wr_dset *set, uint64_t hash, const struct wr_vec *vec, uint32_t row)
{
    if (!set->index) {
        for (uint32_t i = 0; i < set->n; i++)
            if (same(set, i, hash, vec, row))
                return &set->val[i];
        return NULL;
    }
    for (uint64_t h = hash;; h++) {
        uint32_t at = set->index[h & (set->nindex - 1)];
        if (!at)
            return NULL;
        if (same(set, at - 1, hash, vec, row))
            return &set->val[at - 1];
    }
}

bool wr_dset_has_hash(const struct wr_dset *set, uint64_t hash)
{
    return find(set, hash, NULL, 0) != NULL;
}

static void put_index(struct wr_dset *set, uint32_t n)
{
    uint64_t h = set->val[n].hash;
    while (set->index[h & (set->nindex - 1)])
        h++;
    set->index[h & (set->nindex - 1)] = n + 1;
}

static enum wr_err reindex(struct wr_dset *set, uint32_t want)
{
    uint32_t n = 32;
    while (n < 2 * want)
        n *= 2;
    if (n != set->nindex) {
        free(set->index);
        set->nindex = 0;
        set->index = calloc(n, sizeof *set->index);
        if (!set->index)
            return WR_ENOMEM;
        set->nindex = n;
    } else {
        memset(set->index, 0, n * sizeof *set->index);
    }
    for (uint32_t i = 0; i < set->n; i++)
        put_index(set, i);
    return WR_OK;
}

static void free_value(struct wr_dset *set, enum wr_type type, uint32_t n)
{
    if (!set->cell || !wr_type_is_str(type) || set->cell[n].s.len <= WR_STR_INLINE)
        return;
    set->text_bytes -= set->cell[n].s.len;
    free((void *)(uintptr_t)wr_str_data(&set->cell[n].s));
}

/* Value `from` in the place of `to`. */
static void move(struct wr_dset *set, uint32_t to, uint32_t from)
{
    set->val[to] = set->val[from];
    if (set->cell)
        set->cell[to] = set->cell[from];
}

void wr_dset_expire(struct wr_dset *set, enum wr_type type, int64_t bound)
{
    uint32_t n = 0;
    if (!set->n || set->oldest > bound)
        return;
    set->oldest = INT64_MAX;
    for (uint32_t i = 0; i < set->n; i++) {
        if (set->val[i].seen <= bound) {
            free_value(set, type, i);
            continue;
        }
        if (set->val[i].seen < set->oldest)
            set->oldest = set->val[i].seen;
        move(set, n++, i);
    }
    bool changed = n != set->n;
    set->n = n;
    if (changed && set->index)
        (void)reindex(set, set->nindex / 2); /* same size: cannot fail */
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Makes room by giving up the eighth that was seen longest ago: once in many rows, so that a full set stays
 * cheap. */
static enum wr_err shed(struct wr_dset *set, enum wr_type type)
{
    uint32_t drop = set->n / 8 + 1, n = 0;
    int64_t *seen = malloc(set->n * sizeof *seen);
    if (!seen)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < set->n; i++)
        seen[i] = set->val[i].seen;
    qsort(seen, set->n, sizeof *seen, by_time);
    int64_t bound = seen[drop - 1];
    free(seen);
    for (uint32_t i = 0; i < set->n; i++) {
        if (set->val[i].seen <= bound && drop) {
            free_value(set, type, i);
            drop--;
        } else {
            move(set, n++, i);
        }
    }
    set->n = n;
    set->lost = true;
    return set->index ? reindex(set, set->nindex / 2) : WR_OK;
}

/* Room for one more. */
static enum wr_err grow(struct wr_dset *set, bool distinct, bool cells)
{
    uint32_t cap = set->cap ? 2 * set->cap : 2;
    struct wr_dval *val = realloc(set->val, cap * sizeof *val);
    if (!val)
        return WR_ENOMEM;
    set->val = val;
    union wr_dcell *cell = cells ? realloc(set->cell, cap * sizeof *cell) : NULL;
    if (cells && !cell)
        return WR_ENOMEM;
    set->cell = cell;
    set->cap = cap;
    return distinct && cap > FEW ? reindex(set, cap) : WR_OK;
}

static void append(struct wr_dset *set, uint64_t hash, int64_t seen)
{
    set->val[set->n] = (struct wr_dval){.seen = seen, .hash = hash};
    if (set->index)
        put_index(set, set->n);
    if (set->n == 0 || seen < set->oldest)
        set->oldest = seen;
    set->n++;
}

static bool seen_again(struct wr_dval *have, int64_t seen)
{
    if (have && seen > have->seen)
        have->seen = seen;
    return have != NULL;
}

enum wr_err wr_dset_add_hash(struct wr_dset *set, uint64_t hash, int64_t seen, uint32_t limit)
{
    if (seen_again(find(set, hash, NULL, 0), seen))
        return WR_OK;
    enum wr_err err = set->n >= limit ? shed(set, WR_LONG) : WR_OK;
    if (!err && set->n == set->cap)
        err = grow(set, true, false);
    if (!err)
        append(set, hash, seen);
    return err;
}

enum wr_err wr_dset_add(struct wr_dset *set, const struct wr_hash_key *secret, const struct wr_vec *vec,
                        uint32_t row, int64_t seen, bool distinct, uint32_t limit)
{
    uint64_t hash = wr_dset_hash(secret, vec, row);
    if (distinct && seen_again(find(set, hash, vec, row), seen))
        return WR_OK;
    enum wr_err err;
    size_t long_len = vec->s && vec->s[row].len > WR_STR_INLINE ? vec->s[row].len : 0;
    if (long_len > WR_DSET_TEXT_MAX) {
        set->lost = true;
        return WR_OK;
    }
    while (set->n && (set->n >= limit || set->text_bytes + long_len > WR_DSET_TEXT_MAX))
        if ((err = shed(set, vec->type)) != WR_OK)
            return err;
    if (set->n == set->cap && (err = grow(set, distinct, true)) != WR_OK)
        return err;
    union wr_dcell *v = &set->cell[set->n];
    if (long_len) {
        char *copy = malloc(long_len);
        if (!copy)
            return WR_ENOMEM;
        memcpy(copy, wr_str_data(&vec->s[row]), long_len);
        v->s = wr_str_borrow(copy, long_len);
        set->text_bytes += (uint32_t)long_len;
    } else if (vec->s) {
        v->s = vec->s[row];
    } else if (vec->r) {
        v->r = vec->r[row];
    } else {
        v->i = vec->i[row];
    }
    append(set, hash, seen);
    return WR_OK;
}

struct number {
    int64_t pane;
    union wr_dcell v;
    struct wr_dval val;
    bool real;
};

static int by_pane_and_value(const void *pa, const void *pb)
{
    const struct number *a = pa, *b = pb;
    if (a->pane != b->pane)
        return a->pane < b->pane ? -1 : 1;
    if (!a->real)
        return (a->v.i > b->v.i) - (a->v.i < b->v.i);
    if (isnan(a->v.r) || isnan(b->v.r))
        return isnan(b->v.r) - isnan(a->v.r);
    return (a->v.r > b->v.r) - (a->v.r < b->v.r);
}

static double chance(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

/* Of two neighbours one; how many are left of n. */
static uint32_t halve(struct number *v, uint32_t n, uint64_t *dice)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < n; left++) {
        struct number one = v[i++];
        if (i < n) {
            struct number two = v[i++];
            uint64_t both = one.val.hash + two.val.hash;
            int64_t last = one.val.seen > two.val.seen ? one.val.seen : two.val.seen;
            one = chance(dice) * (double)both < (double)one.val.hash ? one : two;
            one.val = (struct wr_dval){.seen = last, .hash = both};
        }
        v[left] = one;
    }
    return left;
}

enum wr_err wr_dset_thin(struct wr_dset *set, enum wr_type type, int64_t pane, uint32_t most)
{
    struct number *all = malloc((set->n + 1) * sizeof *all);
    uint32_t n = 0, npanes = 0;
    if (!all)
        return WR_ENOMEM;
    for (uint32_t i = 0; i < set->n; i++) {
        all[i] = (struct number){wr_pane_of(set->val[i].seen, pane), set->cell[i], set->val[i], type == WR_REAL};
        all[i].val.hash = wr_dset_weight(set, i);
    }
    qsort(all, set->n, sizeof *all, by_pane_and_value);
    for (uint32_t i = 0; i < set->n; i++)
        npanes += !i || all[i].pane != all[i - 1].pane;
    uint32_t each = npanes && most / npanes > 2 ? most / npanes : 2;
    uint64_t dice = set->n ? (uint64_t)all[0].val.seen : 0; /* the same on every run */
    for (uint32_t i = 0, next; i < set->n; i = next) {
        for (next = i + 1; next < set->n && all[next].pane == all[i].pane; next++)
            ;
        uint32_t k = next - i;
        while (k > each)
            k = halve(all + i, k, &dice);
        for (uint32_t m = 0; m < k; m++, n++) {
            set->val[n] = all[i + m].val;
            set->cell[n] = all[i + m].v;
        }
    }
    free(all);
    set->n = n;
    set->lost = set->weighted = true;
    return WR_OK;
}

void wr_dset_fini(struct wr_dset *set, enum wr_type type)
{
    for (uint32_t i = 0; i < set->n; i++)
        free_value(set, type, i);
    free(set->val);
    free(set->cell);
    free(set->index);
    *set = (struct wr_dset){0};
}

size_t wr_dset_bytes(const struct wr_dset *set)
{
    return set->cap * (sizeof *set->val + (set->cell ? sizeof *set->cell : 0)) + set->nindex * sizeof *set->index + set->text_bytes;
}

struct wr_value wr_dset_value(const struct wr_dset *set, enum wr_type type, uint32_t n)
{
    struct wr_value v = {.type = type};
    if (wr_type_is_str(type))
        v.s = set->cell[n].s;
    else if (type == WR_REAL)
        v.r = set->cell[n].r;
    else
        v.i = set->cell[n].i;
    return v;
}
