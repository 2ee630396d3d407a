/* State of one rule as bytes, and back. What comes from disk is checked as a whole before the stream is used:
 * every length, order and type. Layout: little-endian; the engine's part has a CRC.
 *
 *   u64 now, inexact until, stateless rows, secret of hashes (2); u32 groups; each group:
 *     blob key; u32 raw rows, words; u8 ext; [u32 panes, words; u8 flags; sets; u8 firing, alert]
 * flags: 1 approximate, 2 unsteady, 4 (always; state of before 2026-11-27 lacks it) says whether it is, 8 u64 inexact until follows
 * A set: u32 values, u8 flags (1 values were given up, 2 weights, 4 a sample), of a sample u64 newest, u8 steps of u64 since,
 * u64 below; its values. */
#include "rules/exec/agg_list.h"
#include "rules/exec/best.h"
#include "rules/exec/key.h"
#include "rules/fn/kernel.h"
#include "rules/stream/cells.h"
#include "rules/stream/state.h"

#include <stdlib.h>

enum { SAYS_UNSTEADY = 4, SAYS_INEXACT = 8 };

static void save_words(struct wr_buf *out, const uint64_t *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        wr_buf_u64(out, words[i]);
}

static void save_sample(const struct wr_dset_sample *sample, struct wr_buf *out)
{
    wr_buf_u64(out, (uint64_t)sample->newest);
    wr_buf_u8(out, (uint8_t)sample->nsteps);
    for (uint32_t k = 0; k < sample->nsteps; k++) {
        wr_buf_u64(out, (uint64_t)sample->step[k].since);
        wr_buf_u64(out, sample->step[k].below);
    }
}

static void save_set(const struct wr_dset *set, const struct wr_agg_place *p, struct wr_buf *out)
{
    enum wr_type type = p->in;
    bool hashed = p->hashed;
    wr_buf_u32(out, set->n);
    wr_buf_u8(out, (uint8_t)(set->lost | set->weighted << 1 | (set->sample != NULL) << 2));
    if (set->sample)
        save_sample(set->sample, out);
    if (p->best)
        wr_buf_u32(out, set->thin_at);
    for (uint32_t i = 0; i < set->n; i++) {
        struct wr_value v = hashed ? (struct wr_value){0} : wr_dset_value(set, type, i);
        uint64_t bits = (uint64_t)v.i;
        if (type == WR_REAL)
            memcpy(&bits, &v.r, sizeof bits);
        wr_buf_u64(out, (uint64_t)set->val[i].seen);
        if (hashed || p->best || set->weighted)
            wr_buf_u64(out, set->val[i].hash);
        if (hashed)
            continue;
        if (wr_type_is_str(type))
            wr_buf_blob(out, wr_str_data(&v.s), v.s.len);
        else
            wr_buf_u64(out, bits);
    }
}

static void save_ext(const struct wr_stream *s, const struct ext *x, struct wr_buf *out)
{
    wr_buf_u32(out, x->npanes);
    save_words(out, x->panes, (size_t)x->npanes * s->pane_words);
    wr_buf_u8(out, (uint8_t)(SAYS_UNSTEADY | x->approx | x->unsteady << 1 | (x->inexact_until ? SAYS_INEXACT : 0)));
    if (x->inexact_until)
        wr_buf_u64(out, (uint64_t)x->inexact_until);
    for (uint32_t a = 0; a < s->layout.naggs; a++)
        if (s->layout.agg[a].dset != WR_NO_DSET && !s->layout.agg[a].follows)
            save_set(&x->dsets[s->layout.agg[a].dset], &s->layout.agg[a], out);
    const struct firing *f = x->firing;
    wr_buf_u8(out, f != NULL);
    if (!f)
        return;
    wr_buf_add(out, f->id, 32);
    wr_buf_u32(out, f->seq);
    wr_buf_u64(out, (uint64_t)f->t_cross);
    wr_buf_u64(out, (uint64_t)f->raised_at);
    wr_buf_u64(out, (uint64_t)f->emitted_at);
    wr_buf_u8(out, f->dirty);
    wr_buf_u8(out, f->early);
    wr_buf_blob(out, f->cells.data, (uint32_t)f->cells.len);
}

void wr_stream_save(struct wr_stream *stream, struct wr_buf *out)
{
    struct wr_stream *s = stream;
    wr_buf_u64(out, (uint64_t)s->now);
    wr_buf_u64(out, (uint64_t)s->inexact_until);
    wr_buf_u64(out, s->stateless_rows);
    wr_buf_u64(out, s->opts.secret.k0);
    wr_buf_u64(out, s->opts.secret.k1);
    wr_buf_u32(out, s->ngroups);
    uint64_t cursor = 0;
    for (struct group *g; (g = wr_group_next(s, &cursor)) != NULL;) {
        wr_buf_blob(out, key_of(g), g->key_len);
        wr_buf_u32(out, g->nraw);
        save_words(out, raw_rows(s, g), (size_t)g->nraw * s->raw_words);
        wr_buf_u8(out, g->ext != 0);
        if (g->ext)
            save_ext(s, ext_of(s, g), out);
    }
}

/* Sums of times stay in 64 bits. */
static bool is_time(int64_t t)
{
    return t >= 0 && t <= WR_TICKS_MAX + FUTURE_MAX;
}

static bool load_words(struct wr_rd *rd, uint64_t *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        words[i] = wr_rd_u64(rd);
    return !rd->err;
}

/* One value of a set that keeps them. */
static enum wr_err load_value(struct wr_stream *s, struct wr_rd *rd, struct wr_dset *set, uint32_t a)
{
    const struct wr_agg_place *p = &s->layout.agg[a];
    int64_t seen = (int64_t)wr_rd_u64(rd), bits = 0;
    uint64_t hash = p->best || set->weighted ? wr_rd_u64(rd) : 0;
    struct wr_str text = {0};
    double real;
    struct wr_vec one = {.type = p->in};
    if (wr_type_is_str(p->in)) {
        uint32_t size;
        const uint8_t *bytes = wr_rd_blob(rd, &size);
        if (rd->err || (p->best && !wr_best_check(&s->layout, a, (const char *)bytes, size)))
            return WR_ECORRUPT;
        text = wr_str_borrow((const char *)bytes, size);
        one.s = &text;
    } else {
        bits = (int64_t)wr_rd_u64(rd);
        memcpy(&real, &bits, sizeof real);
        one.i = p->in == WR_REAL ? NULL : &bits;
        one.r = p->in == WR_REAL ? &real : NULL;
    }
    if (rd->err || !is_time(seen) || (set->weighted && (!hash || hash > UINT32_MAX)))
        return WR_ECORRUPT;
    struct wr_hash_key secret = wr_stream_secret(s, p->kind, seen);
    bool distinct = !p->best && !wr_agg_keeps_all(p->kind);
    uint32_t before = set->n;
    enum wr_err err = wr_dset_add(set, &secret, &one, 0, seen, distinct, DISTINCT_MAX);
    if ((p->best || set->weighted) && set->n > before)
        set->val[before].hash = hash;
    return err;
}

static bool load_sample(struct wr_rd *rd, struct wr_dset *set, uint32_t limit)
{
    struct wr_dset_sample sample = {.newest = (int64_t)wr_rd_u64(rd), .limit = limit, .nsteps = wr_rd_u8(rd)};
    for (uint32_t k = 0; k < sample.nsteps && k < WR_DSET_STEPS; k++)
        sample.step[k] = (struct wr_dset_step){(int64_t)wr_rd_u64(rd), wr_rd_u64(rd)};
    return !rd->err && is_time(sample.newest) && wr_dset_resample(set, &sample);
}

static enum wr_err load_set(struct wr_stream *s, struct wr_rd *rd, struct wr_dset *set, uint32_t a)
{
    const struct wr_agg_place *p = &s->layout.agg[a];
    uint32_t n = wr_rd_u32(rd);
    uint8_t flags = wr_rd_u8(rd);
    bool weighted = flags & 2, sampled = flags & 4;
    if (rd->err || n > (p->hashed ? p->keeps : DISTINCT_MAX) || flags > 7 || (weighted && !wr_agg_thins(p->kind)) ||
        (sampled && (!p->hashed || !load_sample(rd, set, p->keeps))))
        return WR_ECORRUPT;
    set->weighted = weighted;
    set->thin_at = p->best ? wr_rd_u32(rd) : 0;
    if (rd->err || set->thin_at > 2 * DISTINCT_MAX)
        return WR_ECORRUPT;
    for (uint32_t i = 0; i < n; i++) {
        enum wr_err err;
        if (p->hashed) {
            int64_t seen = (int64_t)wr_rd_u64(rd);
            uint64_t hash = wr_rd_u64(rd);
            err = rd->err || !is_time(seen) ? WR_ECORRUPT : wr_dset_add_hash(set, hash, seen, p->keeps);
        } else {
            err = load_value(s, rd, set, a);
        }
        if (err)
            return err;
    }
    if (set->n != n)
        return WR_ECORRUPT; /* a value stood twice */
    set->lost = flags & 1;
    s->bytes += wr_dset_bytes(set);
    return WR_OK;
}

static enum wr_err load_firing(struct wr_stream *s, struct wr_rd *rd, struct ext *x)
{
    struct firing *f = calloc(1, sizeof *f);
    if (!f)
        return WR_ENOMEM;
    x->firing = f;
    s->bytes += sizeof *f;
    const uint8_t *id = wr_rd_take(rd, 32);
    if (id)
        memcpy(f->id, id, 32);
    f->seq = wr_rd_u32(rd);
    f->t_cross = (int64_t)wr_rd_u64(rd);
    f->raised_at = (int64_t)wr_rd_u64(rd);
    f->emitted_at = (int64_t)wr_rd_u64(rd);
    f->dirty = wr_rd_u8(rd) != 0;
    f->early = wr_rd_u8(rd) != 0;
    uint32_t n;
    const uint8_t *cells = wr_rd_blob(rd, &n);
    if (rd->err || !is_time(f->emitted_at))
        return WR_ECORRUPT;
    wr_buf_add(&f->cells, cells, n);
    s->bytes += f->cells.cap;
    if (f->cells.err)
        return WR_ENOMEM;
    return wr_cells_check(s->out_schema, f->cells.data, f->cells.len) ? WR_OK : WR_ECORRUPT;
}

static enum wr_err load_ext(struct wr_stream *s, struct wr_rd *rd, struct group *g)
{
    struct ext *x = ext_of(s, g);
    uint32_t n = wr_rd_u32(rd);
    if (rd->err || n > (size_t)(rd->end - rd->at) / (8 * s->pane_words))
        return WR_ECORRUPT;
    if (n) {
        x->panes = malloc((size_t)n * s->pane_words * 8);
        if (!x->panes)
            return WR_ENOMEM;
        x->cpanes = x->npanes = n;
        s->npanes += n;
        s->bytes += (size_t)n * s->pane_words * 8;
        if (!load_words(rd, x->panes, (size_t)n * s->pane_words))
            return WR_ECORRUPT;
    }
    for (uint32_t i = 0; i < n; i++) {
        const uint64_t *p = pane_at(s, x, i);
        if (!p[PANE_N] || p[PANE_N] > UINT32_MAX || !is_time((int64_t)p[PANE_FIRST]) ||
            !is_time((int64_t)p[PANE_LAST]) || (int64_t)p[PANE_FIRST] > (int64_t)p[PANE_LAST] ||
            (i && (int64_t)p[PANE_ID] <= (int64_t)pane_at(s, x, i - 1)[PANE_ID]))
            return WR_ECORRUPT;
        many_of(g)->pane_rows += p[PANE_N];
        many_of(g)->floor = (int64_t)p[PANE_LAST];
    }
    uint8_t flags = wr_rd_u8(rd);
    if (flags > 15)
        return WR_ECORRUPT;
    if (flags & SAYS_INEXACT)
        x->inexact_until = (int64_t)wr_rd_u64(rd);
    x->approx = flags & 1;
    x->unsteady = flags & SAYS_UNSTEADY ? flags >> 1 & 1 : n && s->sums; /* what lies in panes is not told by older state */
    for (uint32_t a = 0; a < s->layout.naggs; a++) {
        if (s->layout.agg[a].dset == WR_NO_DSET || s->layout.agg[a].follows)
            continue;
        enum wr_err err = load_set(s, rd, &x->dsets[s->layout.agg[a].dset], a);
        if (err)
            return err;
    }
    return wr_rd_u8(rd) ? load_firing(s, rd, x) : rd->err ? WR_ECORRUPT : WR_OK;
}

/* Of rows as words: all have a time that can be, in order. *ret_gone: so many of the first cannot be coded, as they left the
 * window long ago. */
static bool check_rows(const struct wr_stream *s, const uint64_t *rows, uint32_t n, uint32_t *ret_gone)
{
    *ret_gone = 0;
    for (uint32_t i = 0; i < n; i++) {
        int64_t t = (int64_t)rows[(size_t)i * s->raw_words];
        if (!is_time(t) || (i && t < (int64_t)rows[(size_t)(i - 1) * s->raw_words]))
            return false;
        bool gone = !wr_few_time_fits(s, t);
        if (gone && t > edge(s, s->now))
            return false;
        *ret_gone += gone;
    }
    return true;
}

/* The raw rows: few coded, more of them as words. *g may move. */
static enum wr_err load_rows(struct wr_stream *s, struct wr_rd *rd, struct group **g, uint32_t n)
{
    struct group *to = *g;
    uint32_t gone;
    if (n > s->few_most)
        to = wr_few_to_many(s, to);
    while (to && is_many(to) && to->room < n)
        to = wr_many_grow(s, to);
    if (!to)
        return WR_ENOMEM;
    uint64_t *rows = is_many(to) ? raw_at(s, to, 0) : s->few;
    *g = to;
    if (!load_words(rd, rows, (size_t)n * s->raw_words) || !check_rows(s, rows, n, &gone))
        return WR_ECORRUPT;
    memmove(rows, rows + (size_t)gone * s->raw_words, (size_t)(n - gone) * s->raw_words * 8);
    if (is_many(to))
        wr_many_rows(s, to, n - gone);
    else
        to = wr_few_write(s, to, n - gone);
    *g = to;
    return to ? WR_OK : WR_ENOMEM;
}

/* Reads the key to place 0 of s->keys; the one form that equal keys have. */
static bool load_key(struct wr_stream *s, struct wr_rd *rd, const enum wr_type *types)
{
    uint16_t zero = 0;
    struct wr_sel first = {&zero, 1};
    uint32_t len, nkeys = s->summarize->nkeys;
    const uint8_t *key = wr_rd_blob(rd, &len);
    if (rd->err || !wr_key_check(key, len, types, nkeys))
        return false;
    wr_group_key(s, key);
    return wr_keys_pack(&s->opts.secret, s->key_row, nkeys, &first, 0, s->keys) && s->keys->len[0] == len &&
           memcmp(s->keys->data, key, len) == 0;
}

/* When to look at a group that was read. */
static enum wr_err watch(struct wr_stream *s, struct group *g, bool falls)
{
    if (falls && !wr_group_ext(s, g))
        return WR_ENOMEM;
    if (falls)
        ext_of(s, g)->unsteady = true;
    return wr_group_watch(s, g, s->now, true) ? WR_OK : WR_ENOMEM;
}

static enum wr_err load_group(struct wr_stream *s, struct wr_rd *rd, const enum wr_type *types)
{
    if (!load_key(s, rd, types))
        return WR_ECORRUPT;
    uint32_t nraw = wr_rd_u32(rd);
    if (rd->err || nraw > s->raw_most || wr_group_find(s, 0, NULL))
        return WR_ECORRUPT;
    enum wr_err err;
    struct group *g = wr_group_new(s, 0, 0, &err);
    if (!g)
        return err == WR_ELIMIT ? WR_ECORRUPT : err;
    err = load_rows(s, rd, &g, nraw);
    if (err)
        return err;
    bool falls = false; /* older state does not say */
    const uint64_t *rows = s->sums ? raw_rows(s, g) : NULL;
    for (uint32_t i = 0; rows && i < nraw; i++)
        falls |= !steady_row(s, (const union wr_slot *)(rows + (size_t)i * s->raw_words + s->raw_slots));
    if (!wr_rd_u8(rd)) {
        if (rd->err || s->sets_by_row)
            return WR_ECORRUPT;
        return falls ? watch(s, g, true) : WR_OK;
    }
    struct wr_rd ahead = *rd;
    if (!wr_group_ext(s, g))
        return WR_ENOMEM;
    if (wr_rd_u32(&ahead) > 0 && !is_many(g) && !(g = wr_few_to_many(s, g))) /* panes stand with many rows only */
        return WR_ENOMEM;
    err = load_ext(s, rd, g);
    return err ? err : watch(s, g, falls);
}

enum wr_err wr_stream_load(struct wr_stream *stream, const void *bytes, size_t len)
{
    struct wr_stream *s = stream;
    struct wr_rd rd = wr_rd_init(bytes, len);
    s->now = (int64_t)wr_rd_u64(&rd);
    s->inexact_until = (int64_t)wr_rd_u64(&rd);
    s->stateless_rows = wr_rd_u64(&rd);
    s->opts.secret.k0 = wr_rd_u64(&rd); /* hashes that are kept were made with it */
    s->opts.secret.k1 = wr_rd_u64(&rd);
    uint32_t n = wr_rd_u32(&rd);
    if (rd.err || s->now < 0 || s->now > WR_TICKS_MAX || (!s->summarize && n))
        return WR_ECORRUPT;
    if (!s->summarize)
        return rd.at == rd.end ? WR_OK : WR_ECORRUPT;
    const struct wr_op *op = s->summarize;
    s->epoch = s->now;
    s->calm = s->round_oldest = 0; /* what comes may have left the window */
    s->row_ev = (struct wr_eval){.arena = s->row_arena, .nrows = 1};
    wr_arena_reset(s->row_arena);
    enum wr_type *types = wr_arena_alloc(s->row_arena, (op->nkeys + 1) * sizeof *types);
    if (!types)
        return WR_ENOMEM;
    for (uint32_t k = 0; k < op->nkeys; k++)
        types[k] = op->schema->cols[k].type;
    for (uint32_t i = 0; i < n; i++) {
        enum wr_err err = load_group(s, &rd, types);
        if (err)
            return err;
    }
    return rd.at == rd.end ? WR_OK : WR_ECORRUPT;
}
