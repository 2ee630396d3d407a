#include "rules/exec/dset.h"

#include "rules/exec/key.h"
#include "rules/fn/kernel.h"

#include <stdlib.h>

enum { FEW = 8 }; /* looked through one by one */

static uint64_t hash_of(const struct wr_hash_key *secret, const struct wr_vec *vec, uint32_t row)
{
    if (vec->s)
        return wr_key_hash_text(secret, wr_str_data(&vec->s[row]), vec->s[row].len);
    uint64_t w;
    if (vec->r) {
        double r = vec->r[row] == 0 ? 0 : vec->r[row];
        memcpy(&w, &r, sizeof w);
    } else {
        w = (uint64_t)vec->i[row];
    }
    return wr_key_hash_word(secret, w);
}

static bool same(const struct wr_dval *have, uint64_t hash, const struct wr_vec *vec, uint32_t row)
{
    if (have->hash != hash)
        return false;
    if (vec->s)
        return wr_str_eq(&have->s, &vec->s[row]);
    return vec->r ? have->r == vec->r[row] || (have->r != have->r && vec->r[row] != vec->r[row])
                  : have->i == vec->i[row];
}

static struct wr_dval *find(struct wr_dset *set, uint64_t hash, const struct wr_vec *vec, uint32_t row)
{
    if (!set->index) {
        for (uint32_t i = 0; i < set->n; i++)
            if (same(&set->val[i], hash, vec, row))
                return &set->val[i];
        return NULL;
    }
    for (uint64_t h = hash;; h++) {
        uint32_t at = set->index[h & (set->nindex - 1)];
        if (!at)
            return NULL;
        if (same(&set->val[at - 1], hash, vec, row))
            return &set->val[at - 1];
    }
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

static void free_value(struct wr_dset *set, enum wr_type type, struct wr_dval *v)
{
    if (!wr_type_is_str(type) || v->s.len <= WR_STR_INLINE)
        return;
    set->text_bytes -= v->s.len;
    free((void *)(uintptr_t)wr_str_data(&v->s));
}

void wr_dset_expire(struct wr_dset *set, enum wr_type type, int64_t bound)
{
    uint32_t n = 0;
    if (!set->n || set->oldest > bound)
        return;
    set->oldest = INT64_MAX;
    for (uint32_t i = 0; i < set->n; i++) {
        if (set->val[i].seen <= bound) {
            free_value(set, type, &set->val[i]);
            continue;
        }
        if (set->val[i].seen < set->oldest)
            set->oldest = set->val[i].seen;
        set->val[n++] = set->val[i];
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
            free_value(set, type, &set->val[i]);
            drop--;
        } else {
            set->val[n++] = set->val[i];
        }
    }
    set->n = n;
    set->lost = true;
    return set->index ? reindex(set, set->nindex / 2) : WR_OK;
}

static enum wr_err grow(struct wr_dset *set, bool distinct)
{
    uint32_t cap = set->cap ? 2 * set->cap : 2;
    struct wr_dval *val = realloc(set->val, cap * sizeof *val);
    if (!val)
        return WR_ENOMEM;
    set->val = val;
    set->cap = cap;
    return distinct && cap > FEW ? reindex(set, cap) : WR_OK;
}

enum wr_err wr_dset_add(struct wr_dset *set, const struct wr_hash_key *secret, const struct wr_vec *vec,
                        uint32_t row, int64_t seen, bool distinct, uint32_t limit)
{
    uint64_t hash = hash_of(secret, vec, row);
    struct wr_dval *have = distinct ? find(set, hash, vec, row) : NULL;
    if (have) {
        if (seen > have->seen)
            have->seen = seen;
        return WR_OK;
    }
    enum wr_err err;
    size_t long_len = vec->s && vec->s[row].len > WR_STR_INLINE ? vec->s[row].len : 0;
    if (long_len > WR_DSET_TEXT_MAX) {
        set->lost = true;
        return WR_OK;
    }
    while (set->n && (set->n >= limit || set->text_bytes + long_len > WR_DSET_TEXT_MAX))
        if ((err = shed(set, vec->type)) != WR_OK)
            return err;
    if (set->n == set->cap && (err = grow(set, distinct)) != WR_OK)
        return err;
    struct wr_dval *v = &set->val[set->n];
    *v = (struct wr_dval){.seen = seen, .hash = hash};
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
    if (set->index)
        put_index(set, set->n);
    if (set->n == 0 || seen < set->oldest)
        set->oldest = seen;
    set->n++;
    return WR_OK;
}

void wr_dset_fini(struct wr_dset *set, enum wr_type type)
{
    for (uint32_t i = 0; i < set->n; i++)
        free_value(set, type, &set->val[i]);
    free(set->val);
    free(set->index);
    *set = (struct wr_dset){0};
}

size_t wr_dset_bytes(const struct wr_dset *set)
{
    return set->cap * sizeof *set->val + set->nindex * sizeof *set->index + set->text_bytes;
}

struct wr_value wr_dset_value(const struct wr_dset *set, enum wr_type type, uint32_t n)
{
    struct wr_value v = {.type = type};
    if (wr_type_is_str(type))
        v.s = set->val[n].s;
    else if (type == WR_REAL)
        v.r = set->val[n].r;
    else
        v.i = set->val[n].i;
    return v;
}
