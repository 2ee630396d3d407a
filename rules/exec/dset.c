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

static uint32_t index_size(uint32_t want)
{
    uint32_t n = 32;
    while (n < want + want / 2)
        n *= 2;
    return n;
}

static enum wr_err reindex(struct wr_dset *set, uint32_t want)
{
    uint32_t n = index_size(want);
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

/* Value `from` in the place of `to`. */
static void move(struct wr_dset *set, uint32_t to, uint32_t from)
{
    set->val[to] = set->val[from];
    if (set->cell)
        set->cell[to] = set->cell[from];
}

/* ---- samples ---- */

enum { PLACE_BITS = 32, PLACE_SHIFT = 15 }; /* above the bits by which `index` finds a hash */
#define PLACES (UINT64_C(1) << PLACE_BITS)

static uint64_t place_of(uint64_t hash)
{
    return hash >> PLACE_SHIFT & (PLACES - 1);
}

/* Values that were last seen then stay below this place. */
static uint64_t below_at(const struct wr_dset_sample *sample, int64_t seen)
{
    uint32_t k = sample->nsteps - 1;
    while (k && sample->step[k].since > seen)
        k--;
    return sample->step[k].below;
}

static double weight_at(const struct wr_dset_sample *sample, int64_t seen)
{
    return (double)PLACES / (double)below_at(sample, seen);
}

uint32_t wr_dset_limit(int64_t accuracy)
{
    /* 1 / error^2 values are left when an eighth was just given up */
    static const uint32_t limits[] = {4465, 17858, 71430, 145774, 285716};
    return limits[accuracy < 0 ? 1 : accuracy > 4 ? 4 : accuracy];
}

double wr_dset_distinct(const struct wr_dset *set)
{
    return set->sample ? set->sample->stands_for : set->n;
}

double wr_dset_would_stand(const struct wr_dset *set, uint64_t hash, int64_t seen)
{
    if (!set->sample)
        return 1;
    return place_of(hash) < below_at(set->sample, seen) ? weight_at(set->sample, seen) : 0;
}

static void weigh(struct wr_dset *set)
{
    set->sample->stands_for = 0;
    for (uint32_t i = 0; i < set->n; i++)
        set->sample->stands_for += weight_at(set->sample, set->val[i].seen);
}

static int by_place(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Makes room by giving up an eighth of the places that values have. */
static enum wr_err narrow(struct wr_dset *set, uint32_t limit)
{
    struct wr_dset_sample *s = set->sample ? set->sample : calloc(1, sizeof *s);
    uint64_t *places = malloc(set->n * sizeof *places);
    if (!s || !places) {
        free(places);
        if (s != set->sample)
            free(s);
        return WR_ENOMEM;
    }
    if (!set->sample)
        *s = (struct wr_dset_sample){.newest = INT64_MIN, .nsteps = 1, .step[0] = {INT64_MIN, PLACES}};
    set->sample = s;
    s->limit = limit;
    for (uint32_t i = 0; i < set->n; i++) {
        places[i] = place_of(set->val[i].hash);
        s->newest = set->val[i].seen > s->newest ? set->val[i].seen : s->newest;
    }
    qsort(places, set->n, sizeof *places, by_place);
    uint64_t below = places[set->n - (set->n / 8 + 1)];
    below = below ? below : 1;
    free(places);
    uint32_t left = 0, n = 0;
    for (uint32_t k = 0; k < s->nsteps; k++) {
        struct wr_dset_step step = s->step[k];
        step.below = step.below < below ? step.below : below;
        if (!left || s->step[left - 1].below != step.below)
            s->step[left++] = step;
    }
    s->nsteps = left;
    for (uint32_t i = 0; i < set->n; i++)
        if (place_of(set->val[i].hash) < below)
            move(set, n++, i);
    set->n = n;
    set->lost = true;
    weigh(set);
    return set->index ? reindex(set, set->cap) : WR_OK;
}

/* After values left: steps that none is left of go; with few values those that come from now on are taken in more of. */
static void widen(struct wr_dset *set, int64_t bound)
{
    struct wr_dset_sample *s = set->sample;
    uint32_t gone = 0;
    while (gone + 1 < s->nsteps && s->step[gone + 1].since <= bound + 1)
        gone++;
    s->nsteps -= gone;
    memmove(s->step, s->step + gone, s->nsteps * sizeof *s->step);
    s->step[0].since = INT64_MIN;
    uint64_t below = s->step[s->nsteps - 1].below;
    if (s->nsteps == 1 && below == PLACES) {
        free(s);
        set->sample = NULL;
        set->lost = false;
        return;
    }
    if (set->n < s->limit / 4 && below < PLACES && s->nsteps < WR_DSET_STEPS && s->newest < INT64_MAX) {
        uint64_t times = s->limit / 2 / (set->n + 1);
        uint64_t wider = times >= PLACES / below ? PLACES : below * times;
        if (s->step[s->nsteps - 1].since == s->newest + 1)
            s->nsteps--; /* nothing came since */
        s->step[s->nsteps++] = (struct wr_dset_step){s->newest + 1, wider};
    }
    weigh(set);
}

bool wr_dset_resample(struct wr_dset *set, const struct wr_dset_sample *sample)
{
    bool ok = sample->nsteps && sample->nsteps <= WR_DSET_STEPS && sample->step[0].since == INT64_MIN;
    for (uint32_t k = 0; ok && k < sample->nsteps; k++)
        ok = sample->step[k].below && sample->step[k].below <= PLACES &&
             (!k || (sample->step[k].since > sample->step[k - 1].since && sample->step[k].below > sample->step[k - 1].below &&
                     sample->step[k].since <= sample->newest + 1));
    if (!ok || sample->newest == INT64_MAX || !(set->sample = malloc(sizeof *set->sample)))
        return false;
    *set->sample = *sample;
    set->sample->stands_for = 0;
    return true;
}

static void free_value(struct wr_dset *set, enum wr_type type, uint32_t n)
{
    if (!set->cell || !wr_type_is_str(type) || set->cell[n].s.len <= WR_STR_INLINE)
        return;
    set->text_bytes -= set->cell[n].s.len;
    free((void *)(uintptr_t)wr_str_data(&set->cell[n].s));
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
        (void)reindex(set, set->cap); /* same size: cannot fail */
    if (set->sample)
        widen(set, bound);
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
    return set->index ? reindex(set, set->cap) : WR_OK;
}

/* Room for one more. */
static enum wr_err grow(struct wr_dset *set, bool distinct, bool cells, uint32_t limit)
{
    uint32_t cap = set->cap ? 2 * set->cap : 2;
    cap = cap > limit && limit > set->n ? limit : cap;
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

static bool seen_again(struct wr_dset *set, struct wr_dval *have, int64_t seen)
{
    if (!have || seen <= have->seen)
        return have != NULL;
    if (set->sample)
        set->sample->stands_for += weight_at(set->sample, seen) - weight_at(set->sample, have->seen);
    have->seen = seen;
    return true;
}

enum wr_err wr_dset_add_hash(struct wr_dset *set, uint64_t hash, int64_t seen, uint32_t limit)
{
    if (set->sample && seen > set->sample->newest)
        set->sample->newest = seen;
    if (wr_dset_would_stand(set, hash, seen) == 0 || seen_again(set, find(set, hash, NULL, 0), seen))
        return WR_OK;
    enum wr_err err = set->n >= limit ? narrow(set, limit) : WR_OK;
    if (!err && set->sample && seen > set->sample->newest)
        set->sample->newest = seen;
    double stands_for = wr_dset_would_stand(set, hash, seen);
    if (err || stands_for == 0)
        return err;
    if (set->n == set->cap && (err = grow(set, true, false, limit)) != WR_OK)
        return err;
    append(set, hash, seen);
    if (set->sample)
        set->sample->stands_for += stands_for;
    return WR_OK;
}

enum wr_err wr_dset_add(struct wr_dset *set, const struct wr_hash_key *secret, const struct wr_vec *vec,
                        uint32_t row, int64_t seen, bool distinct, uint32_t limit)
{
    uint64_t hash = wr_dset_hash(secret, vec, row);
    if (distinct && seen_again(set, find(set, hash, vec, row), seen))
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
    if (set->n == set->cap && (err = grow(set, distinct, true, limit)) != WR_OK)
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
    free(set->sample);
    *set = (struct wr_dset){0};
}

size_t wr_dset_bytes(const struct wr_dset *set)
{
    return set->cap * (sizeof *set->val + (set->cell ? sizeof *set->cell : 0)) + set->nindex * sizeof *set->index + set->text_bytes +
           (set->sample ? sizeof *set->sample : 0);
}

size_t wr_dset_most(uint32_t limit, bool cells, bool distinct, bool texts)
{
    size_t each = sizeof(struct wr_dval) + (cells ? sizeof(union wr_dcell) : 0);
    size_t index = distinct && limit > FEW ? index_size(limit) * sizeof(uint32_t) : 0;
    return limit * each + index + (texts ? WR_DSET_TEXT_MAX : 0) + (cells ? 0 : sizeof(struct wr_dset_sample));
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
