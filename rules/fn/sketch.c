#include "rules/fn/sketch.h"

#include "base/hash.h"

#include <math.h>
#include <stdlib.h>

#define KERNEL(name)                                                                               \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,      \
                     const struct wr_sel *sel, struct wr_vec *out)

/* ---- hll: registers of the longest run of zeros. Source: Flajolet and others, "HyperLogLog"
 * (2007) ---- */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool wr_hll_init(struct wr_eval *ev, struct wr_hll *h, int64_t accuracy)
{
    static const int bits[] = {12, 14, 16, 17, 18};
    *h = (struct wr_hll){0};
    if (accuracy < 0 || accuracy > 4)
        return false;
    h->bits = bits[accuracy];
    h->hash = wr_arena_alloc(ev->arena, (WR_HLL_EXACT + 1) * sizeof *h->hash);
    if (!h->hash)
        ev->err = WR_ENOMEM;
    return h->hash != NULL;
}

static void set_register(struct wr_hll *h, uint64_t hash)
{
    uint64_t rest = hash << h->bits;
    uint8_t rank = (uint8_t)(rest ? __builtin_clzll(rest) + 1 : 64 - h->bits + 1);
    uint8_t *reg = &h->reg[hash >> (64 - h->bits)];
    if (*reg < rank)
        *reg = rank;
}

static bool dense(struct wr_eval *ev, struct wr_hll *h)
{
    if (h->reg)
        return true;
    h->reg = wr_arena_alloc(ev->arena, (size_t)1 << h->bits);
    if (!h->reg) {
        ev->err = WR_ENOMEM;
        return false;
    }
    for (uint32_t i = 0; i < h->n; i++)
        set_register(h, h->hash[i]);
    return true;
}

void wr_hll_add(struct wr_eval *ev, struct wr_hll *h, uint64_t hash)
{
    if (h->reg) {
        set_register(h, hash);
        return;
    }
    uint32_t low = 0, high = h->n;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (h->hash[mid] < hash)
            low = mid + 1;
        else
            high = mid;
    }
    if (low < h->n && h->hash[low] == hash)
        return;
    memmove(&h->hash[low + 1], &h->hash[low], (h->n - low) * sizeof *h->hash);
    h->hash[low] = hash;
    if (++h->n > WR_HLL_EXACT && dense(ev, h))
        h->n = 0;
    else if (h->n > WR_HLL_EXACT)
        h->n--; /* out of memory: the run fails */
}

static bool member_is(struct wr_slice json, const char *key, char first, struct wr_slice *ret)
{
    return wr_json_member(json, key, strlen(key), ret) && ret->len && ret->p[0] == first;
}

static bool merge_registers(struct wr_eval *ev, struct wr_hll *h, struct wr_slice text)
{
    size_t n = (size_t)1 << h->bits;
    if (text.len != n + 2 || !dense(ev, h))
        return false;
    for (size_t i = 0; i < n; i++) {
        const char *at = memchr(digits, text.p[i + 1], 64);
        int rank = at ? (int)(at - digits) : 64;
        if (rank > 64 - h->bits + 1)
            return false;
        if (h->reg[i] < rank)
            h->reg[i] = (uint8_t)rank;
    }
    return true;
}

bool wr_hll_merge(struct wr_eval *ev, struct wr_hll *h, struct wr_slice json)
{
    struct wr_slice value, item;
    const char *at = NULL;
    int64_t bits, hash;
    if (!wr_json_member(json, "hll", 3, &value) || !wr_text_to_long(value.p, value.len, &bits))
        return false;
    if (!h->bits) {
        static const int8_t accuracy[] = {0, -1, 1, -1, 2, 3, 4};
        if (bits < WR_HLL_MIN || bits > WR_HLL_MAX ||
            !wr_hll_init(ev, h, accuracy[bits - WR_HLL_MIN]))
            return false;
    }
    if (bits != h->bits)
        return false; /* sketches of different accuracy */
    if (member_is(json, "registers", '"', &value))
        return merge_registers(ev, h, value);
    if (!member_is(json, "hashes", '[', &value) || wr_json_count(value) > WR_HLL_EXACT)
        return false;
    while (wr_json_next(value, &at, &item)) {
        if (!wr_text_to_long(item.p, item.len, &hash))
            return false;
        wr_hll_add(ev, h, (uint64_t)hash);
    }
    return true;
}

int64_t wr_hll_count(const struct wr_hll *h)
{
    if (!h->reg)
        return h->n;
    double m = (double)((size_t)1 << h->bits), sum = 0, zeros = 0;
    for (size_t i = 0; i < (size_t)1 << h->bits; i++) {
        sum += ldexp(1, -h->reg[i]);
        zeros += h->reg[i] == 0;
    }
    double estimate = 0.7213 / (1 + 1.079 / m) * m * m / sum;
    if (estimate <= 2.5 * m && zeros > 0)
        estimate = m * log(m / zeros); /* few: how many registers were hit says more */
    return llround(estimate);
}

void wr_hll_put(const struct wr_hll *h, struct wr_buf *json)
{
    wr_buf_fmt(json, "{\"hll\":%d,\"%s", h->bits, h->reg ? "registers\":\"" : "hashes\":[");
    for (size_t i = 0; h->reg && i < (size_t)1 << h->bits; i++)
        wr_buf_char(json, digits[h->reg[i] & 63]);
    for (uint32_t i = 0; !h->reg && i < h->n; i++) {
        wr_buf_str(json, i ? "," : "");
        wr_buf_i64(json, (int64_t)h->hash[i]);
    }
    wr_buf_str(json, h->reg ? "\"}" : "]}");
}

/* ---- t-digest: centroids that are small at the ends. Source: Dunning, Ertl, "Computing extremely
 * accurate quantiles using t-digests" (2019), scale function k1 ---- */

bool wr_digest_room(struct wr_eval *ev, struct wr_digest *d, uint32_t n)
{
    if (d->n + n <= d->cap)
        return true;
    uint32_t cap = d->n + n > 2 * d->cap ? d->n + n : 2 * d->cap;
    struct wr_weighted *at = wr_arena_alloc(ev->arena, cap * sizeof *at);
    if (!at) {
        ev->err = WR_ENOMEM;
        return false;
    }
    if (d->n)
        memcpy(at, d->at, d->n * sizeof *at);
    d->at = at;
    d->cap = cap;
    return true;
}

bool wr_digest_merge(struct wr_eval *ev, struct wr_digest *d, struct wr_slice json)
{
    struct wr_slice all, item;
    const char *at = NULL;
    int64_t n = member_is(json, "tdigest", '[', &all) ? wr_json_count(all) : -1;
    if (n < 0 || n % 2 || n > 2 * WR_DIGEST_EXACT || !wr_digest_room(ev, d, (uint32_t)n / 2))
        return false;
    for (int64_t i = 0; i < n / 2; i++) {
        struct wr_weighted x;
        if (!wr_json_next(all, &at, &item) || !wr_text_to_real(item.p, item.len, &x.v) ||
            !wr_json_next(all, &at, &item) || !wr_text_to_real(item.p, item.len, &x.w) ||
            !isfinite(x.v) || !(x.w > 0) || !isfinite(x.w))
            return false;
        d->at[d->n++] = x;
    }
    return true;
}

static int by_value(const void *pa, const void *pb)
{
    double a = ((const struct wr_weighted *)pa)->v, b = ((const struct wr_weighted *)pb)->v;
    return (a > b) - (a < b);
}

static double k1(double q)
{
    return WR_DIGEST_EXACT / (2 * M_PI) * asin(fmin(fmax(2 * q - 1, -1), 1));
}

void wr_digest_settle(struct wr_digest *d)
{
    double total = 0, before = 0;
    uint32_t n = 0;
    if (d->n)
        qsort(d->at, d->n, sizeof *d->at, by_value);
    for (uint32_t i = 0; i < d->n; i++) {
        total += d->at[i].w;
        if (n && d->at[n - 1].v == d->at[i].v)
            d->at[n - 1].w += d->at[i].w;
        else
            d->at[n++] = d->at[i];
    }
    d->n = n;
    if (n <= WR_DIGEST_EXACT)
        return;
    n = 1;
    for (uint32_t i = 1; i < d->n; i++) {
        struct wr_weighted *last = &d->at[n - 1], x = d->at[i];
        if (k1((before + last->w + x.w) / total) - k1(before / total) <= 1) {
            last->v += (x.v - last->v) * x.w / (last->w + x.w);
            last->w += x.w;
        } else {
            before += last->w;
            d->at[n++] = x;
        }
    }
    d->n = n;
}

void wr_digest_put(const struct wr_digest *d, struct wr_buf *json)
{
    wr_buf_str(json, "{\"tdigest\":[");
    for (uint32_t i = 0; i < d->n; i++) {
        wr_buf_str(json, i ? "," : "");
        wr_json_real(json, d->at[i].v);
        wr_buf_char(json, ',');
        wr_json_real(json, d->at[i].w);
    }
    wr_buf_str(json, "]}");
}

double wr_weighted_percentile(const struct wr_weighted *at, uint32_t n, double p)
{
    double total = 0, sum = 0;
    for (uint32_t i = 0; i < n; i++)
        total += at[i].w;
    double want = total * p / 100;
    for (uint32_t i = 0; i + 1 < n; i++) {
        sum += at[i].w;
        if (sum >= want)
            return at[i].v;
    }
    return at[n - 1].v;
}

/* ---- functions over them ---- */

static struct wr_slice slice_at(const struct wr_vec *v, uint32_t row)
{
    return (struct wr_slice){wr_str_data(&v->s[row]), v->s[row].len};
}

static void put(struct wr_eval *ev, struct wr_vec *out, uint32_t row, struct wr_buf *json)
{
    if (json->err)
        ev->err = WR_ENOMEM;
    else
        wr_put_text(ev, out, row, json->data, json->len);
    wr_buf_fini(json);
}

KERNEL(dcount_hll)
{
    (void)call;
    WR_EACH(sel, row)
    {
        struct wr_hll h = {0};
        if (wr_hll_merge(ev, &h, slice_at(&args[0], row)))
            wr_put_i(out, row, wr_hll_count(&h));
    }
}

KERNEL(hll_merge)
{
    WR_EACH(sel, row)
    {
        struct wr_hll h = {0};
        struct wr_buf json = {0};
        bool ok = true;
        for (uint32_t a = 0; a < call->nargs && ok; a++)
            ok = wr_hll_merge(ev, &h, slice_at(&args[a], row));
        if (!ok)
            continue;
        wr_hll_put(&h, &json);
        put(ev, out, row, &json);
    }
}

static bool digest_of(struct wr_eval *ev, const struct wr_vec *args, uint32_t nargs, uint32_t row,
                      struct wr_digest *d)
{
    *d = (struct wr_digest){0};
    for (uint32_t a = 0; a < nargs; a++)
        if (!wr_digest_merge(ev, d, slice_at(&args[a], row)))
            return false;
    wr_digest_settle(d);
    return d->n > 0;
}

KERNEL(merge_tdigest)
{
    WR_EACH(sel, row)
    {
        struct wr_digest d;
        struct wr_buf json = {0};
        if (!digest_of(ev, args, call->nargs, row, &d))
            continue;
        wr_digest_put(&d, &json);
        put(ev, out, row, &json);
    }
}

static void add_percentile(const struct wr_digest *d, double p, struct wr_buf *json)
{
    wr_buf_str(json, json->len > 1 ? "," : "");
    double v = wr_weighted_percentile(d->at, d->n, p);
    if (v == floor(v) && fabs(v) < 1e15)
        wr_buf_i64(json, (int64_t)v);
    else
        wr_json_real(json, v);
}

KERNEL(percentile_tdigest)
{
    (void)call;
    WR_EACH(sel, row)
    {
        struct wr_digest d;
        struct wr_buf json = {0};
        double p = args[1].r[row];
        if (!(p >= 0 && p <= 100) || !digest_of(ev, args, 1, row, &d))
            continue;
        add_percentile(&d, p, &json);
        put(ev, out, row, &json);
    }
}

KERNEL(percentiles_array_tdigest)
{
    WR_EACH(sel, row)
    {
        struct wr_digest d;
        struct wr_buf json = {0};
        bool ok = digest_of(ev, args, 1, row, &d);
        wr_buf_char(&json, '[');
        for (uint32_t a = 1; a < call->nargs && ok && args[1].r; a++) {
            ok = args[a].r[row] >= 0 && args[a].r[row] <= 100;
            if (ok)
                add_percentile(&d, args[a].r[row], &json);
        }
        struct wr_slice item;
        const char *at = NULL;
        double p;
        while (ok && args[1].s && wr_json_next(slice_at(&args[1], row), &at, &item)) {
            ok = wr_text_to_real(item.p, item.len, &p) && p >= 0 && p <= 100;
            if (ok)
                add_percentile(&d, p, &json);
        }
        wr_buf_char(&json, ']');
        if (ok)
            put(ev, out, row, &json);
        wr_buf_fini(&json);
    }
}

/* Weight of the values up to `v`; in percent of all when that is wanted. */
static void rank(struct wr_eval *ev, const struct wr_vec *args, const struct wr_sel *sel,
                 struct wr_vec *out, bool percent)
{
    WR_EACH(sel, row)
    {
        struct wr_digest d;
        double below = 0, total = 0;
        if (!digest_of(ev, args, 1, row, &d))
            continue;
        for (uint32_t i = 0; i < d.n; i++) {
            total += d.at[i].w;
            below += d.at[i].v <= args[1].r[row] ? d.at[i].w : 0;
        }
        wr_put_r(out, row, percent ? 100 * below / total : below);
    }
}

KERNEL(rank_tdigest)
{
    (void)call;
    rank(ev, args, sel, out, false);
}

KERNEL(percentrank_tdigest)
{
    (void)call;
    rank(ev, args, sel, out, true);
}

/* ---- what the binder puts before aggregates ---- */

/* [x, y] of two values, times as ticks; null when one is null or no number. */
KERNEL(pair)
{
    (void)call;
    WR_EACH(sel, row)
    {
        struct wr_buf json = {0};
        bool ok = true;
        for (int a = 0; a < 2 && ok; a++) {
            wr_buf_char(&json, a ? ',' : '[');
            ok = wr_vec_valid(&args[a], row) && (args[a].r ? isfinite(args[a].r[row]) : args[a].i != NULL);
            if (ok && args[a].r)
                wr_json_real(&json, args[a].r[row]);
            else if (ok)
                wr_buf_i64(&json, args[a].i[row]);
        }
        wr_buf_char(&json, ']');
        if (ok)
            put(ev, out, row, &json);
        wr_buf_fini(&json);
    }
}

/* A null as the JSON value null: a value that aggregates keep. */
KERNEL(or_null)
{
    (void)call;
    WR_EACH(sel, row)
    {
        struct wr_buf json = {0};
        wr_json_cell(&args[0], row, &json);
        put(ev, out, row, &json);
    }
}
