#include "rules/share/dispatch.h"

#include "rules/share/valueset.h"

#include <stdlib.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

_Static_assert(sizeof(struct wr_str) == 16, "a short text with its length is a block");
enum { TERM_BLOCK = 16 };

/* What the choice between tests is learnt from: rows of the stream, some in the beginning and after
 * ever longer whiles. */
enum { LEARN_ROWS = 2048, LEARN_FIRST = 4096, LEARN_GROWTH = 8 };
#define LEARN_LAST (UINT64_C(1) << 27)

/* Of one row a value that rules want. */
struct hit {
    uint32_t first, n; /* rules, among the set's */
    uint16_t row, set;
};

struct wr_dispatch {
    enum wr_table table;
    struct wr_arena *arena; /* of ways */
    struct wr_way **way;    /* of each rule */
    uint32_t n;
    struct wr_valuesets all, used; /* every choice; those that were chosen */
    uint64_t rows, learn_at;       /* rows so far; when learning next begins */
    uint32_t learning;             /* rows to go */
    uint32_t *everything;          /* rules that have no test to stand under */
    uint32_t neverything;
    bool *mixed;     /* of each rule: its rows come out of several tables */
    uint32_t *count; /* of each rule: rows of the batch; then where the next one goes. 0 between
                        batches */
    uint32_t *wanted;
    uint32_t nwanted;
    /* Of the batch: what was found, and the rows by rule. They lie side by side, so that a rule
     * that wants one row touches nothing of its own. */
    struct hit *hit;
    uint32_t nhits, chits;
    uint32_t texts; /* number of the text whose terms are looked for */
    uint16_t *row;
    size_t crows;
    uint64_t *bits; /* a bit a row */
    uint32_t nbits;
};

/* Bit i: byte i of the block is part of a term. */
static inline uint32_t term_bytes(const uint8_t *block)
{
#ifdef __SSE2__
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)block);
    __m128i letter = _mm_sub_epi8(_mm_or_si128(v, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
    __m128i digit = _mm_sub_epi8(v, _mm_set1_epi8('0'));
    letter = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(25)), letter);
    digit = _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit);
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(letter, digit));
#else
    uint32_t mask = 0;
    for (uint32_t i = 0; i < TERM_BLOCK; i++)
        mask |= (uint32_t)(wr_term_byte[block[i]] != 0) << i;
    return mask;
#endif
}

/* ---- choices
 * ------------------------------------------------------------------------------------------ */

/* Puts the cheapest choice of each way first. */
static void choose(struct wr_dispatch *d, struct wr_way *way)
{
    uint32_t best = 0;
    uint64_t least = UINT64_MAX;
    for (uint32_t k = 0; k < way->n; k++) {
        uint64_t c = wr_valuesets_cost(&d->all, &way->must[k]);
        if (c < least) {
            least = c;
            best = k;
        }
    }
    if (best == 0)
        return;
    struct wr_choice first = way->must[best];
    way->must[best] = way->must[0];
    way->must[0] = first;
}

/* Rows of one rule come in order out of one table only. */
static bool is_mixed(const struct wr_way *ways)
{
    const struct wr_want *first = &ways->must[0].any[0];
    for (const struct wr_way *way = ways; way; way = way->next)
        for (uint32_t k = 0; k < way->must[0].n; k++)
            if (way->must[0].any[k].col != first->col || way->must[0].any[k].kind != first->kind)
                return true;
    return false;
}

/* Choices by what has been learnt, and the tables for them. False: out of memory, and the old ones
 * stand. */
static bool choose_all(struct wr_dispatch *d)
{
    struct wr_valuesets used = {0};
    for (uint32_t i = 0; i < d->n; i++)
        for (struct wr_way *way = d->way[i]; way; way = way->next)
            choose(d, way);
    if (!wr_valuesets_make(&used, d->way, d->n, true)) {
        wr_valuesets_free(&used);
        return false;
    }
    wr_valuesets_free(&d->used);
    d->used = used;
    for (uint32_t i = 0; i < d->n; i++)
        d->mixed[i] = d->way[i] && is_mixed(d->way[i]);
    return true;
}

static bool init(struct wr_dispatch *d, const struct wr_dispatch_rule *rules)
{
    for (uint32_t i = 0; i < d->n; i++) {
        const struct wr_dispatch_rule *r = &rules[i];
        if (r->root && !wr_ways_of(d->arena, d->table, r->root, r->subs, r->nsubs, &d->way[i]))
            return false;
        if (r->root && !d->way[i])
            d->everything[d->neverything++] = i;
    }
    d->learn_at = LEARN_FIRST;
    d->learning = LEARN_ROWS;
    return wr_valuesets_make(&d->all, d->way, d->n, false) && choose_all(d);
}

struct wr_dispatch *wr_dispatch_new(enum wr_table table, const struct wr_dispatch_rule *rules,
                                    uint32_t n)
{
    struct wr_dispatch *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->table = table;
    d->n = n;
    d->arena = wr_arena_new(64 * 1024);
    d->way = calloc(n + 1u, sizeof *d->way);
    d->everything = calloc(n + 1u, sizeof *d->everything);
    d->mixed = calloc(n + 1u, sizeof *d->mixed);
    d->count = calloc(n + 1u, sizeof *d->count);
    d->wanted = calloc(n + 1u, sizeof *d->wanted);
    if (!d->arena || !d->way || !d->everything || !d->mixed || !d->count || !d->wanted ||
        !init(d, rules)) {
        wr_dispatch_free(d);
        return NULL;
    }
    return d;
}

void wr_dispatch_free(struct wr_dispatch *dispatch)
{
    if (!dispatch)
        return;
    wr_valuesets_free(&dispatch->all);
    wr_valuesets_free(&dispatch->used);
    wr_arena_free(dispatch->arena);
    free(dispatch->way);
    free(dispatch->everything);
    free(dispatch->mixed);
    free(dispatch->count);
    free(dispatch->wanted);
    free(dispatch->hit);
    free(dispatch->row);
    free(dispatch->bits);
    free(dispatch);
}

/* ---- what rows have
 * ----------------------------------------------------------------------------------- */

/* Where found values go. */
struct found {
    struct wr_dispatch *d;
    uint16_t set;
    bool learns; /* rows are counted only */
};

static bool more_hits(struct wr_dispatch *d)
{
    uint32_t cap = d->chits ? 2 * d->chits : 1024;
    struct hit *hit = realloc(d->hit, cap * sizeof *hit);
    if (!hit)
        return false;
    d->hit = hit;
    d->chits = cap;
    return true;
}

static inline bool give(struct found *f, const struct wr_valueset *c, uint32_t slot, uint32_t row)
{
    struct wr_dispatch *d = f->d;
    if (f->learns) {
        c->seen[slot]++;
        return true;
    }
    if (d->nhits == d->chits && !more_hits(d))
        return false;
    d->hit[d->nhits++] = (struct hit){c->slot[slot].first, c->slot[slot].n, (uint16_t)row, f->set};
    return true;
}

/* Blocks of a text: where terms begin is told for sixteen bytes at once, and most begin as none
 * does that is looked for. */
static bool terms_of(struct found *f, const struct wr_valueset *c, const struct wr_str *s,
                     uint32_t row)
{
    const char *p = wr_str_data(s);
    uint32_t before = 0; /* the byte before the block is part of a term */
    for (uint32_t at = 0; at < s->len; at += TERM_BLOCK) {
        uint32_t mask;
        if (s->len - at >= TERM_BLOCK) {
            mask = term_bytes((const uint8_t *)p + at);
        } else if (at) { /* the last block again, less what it shares with the one before */
            mask = term_bytes((const uint8_t *)p + s->len - TERM_BLOCK) >>
                   (TERM_BLOCK - (s->len - at));
        } else if (s->len <= WR_STR_INLINE) { /* zeros stand behind it, its length before */
            mask = term_bytes((const uint8_t *)s) >> (TERM_BLOCK - WR_STR_INLINE);
        } else {
            uint8_t tail[TERM_BLOCK] = {0};
            mask = term_bytes(memcpy(tail, p, s->len));
        }
        uint32_t begins = mask & ~(mask << 1 | before);
        before = mask >> (TERM_BLOCK - 1);
        for (; begins; begins &= begins - 1) {
            uint32_t i = at + (uint32_t)__builtin_ctz(begins), len;
            uint64_t hash;
            if (!wr_sift_may(&c->may, wr_value_lead(p, s->len, i)) ||
                !wr_value_next_term(p, s->len, &i, &len, &hash))
                continue;
            uint32_t slot = wr_valueset_slot(c, hash);
            bool again = !f->learns && c->seen[slot] == f->d->texts;
            c->seen[slot] = f->learns ? c->seen[slot] : f->d->texts;
            if (c->slot[slot].n && !again && !give(f, c, slot, row))
                return false;
        }
    }
    return true;
}

/* The next text's number, which no slot has. */
static void next_text(struct wr_dispatch *d)
{
    if (++d->texts)
        return;
    d->texts = 1;
    for (uint32_t i = 0; i < d->used.n; i++)
        if (d->used.at[i].seen)
            memset(d->used.at[i].seen, 0, (d->used.at[i].mask + 1) * sizeof *d->used.at[i].seen);
}

enum { BLOCK = 256 };

static inline bool take(struct found *f, const struct wr_valueset *c, const struct wr_vec *v,
                        uint64_t hash, uint32_t row)
{
    uint32_t slot = wr_valueset_slot(c, hash);
    return !c->slot[slot].n || !wr_vec_valid(v, row) || give(f, c, slot, row);
}

static bool values(struct found *f, const struct wr_valueset *c, const struct wr_vec *v,
                   const uint16_t *row, uint32_t n)
{
    static const struct wr_str empty;
    bool ok = true;
    if (c->kind == WR_WANT_NUMBER)
        for (uint32_t k = 0; k < n && ok; k++)
            ok = take(f, c, v, wr_value_hash_int(v->i[row[k]]), row[k]);
    else if (v->s)
        for (uint32_t k = 0; k < n && ok; k++)
            ok = take(f, c, v, wr_value_hash_text(&v->s[row[k]]), row[k]);
    else
        for (uint32_t k = 0; k < n && ok; k++)
            ok = take(f, c, v, wr_value_hash_text(&empty), row[k]);
    return ok;
}

/* Of the rows those that may have one of the set's values: most are looked at no more. */
static bool look(struct found *f, const struct wr_sift_kernels *sift, const struct wr_valueset *c,
                 const struct wr_vec *v, const struct wr_sel *rows)
{
    static const struct wr_str empty;
    uint16_t some[BLOCK];
    bool filled = c->kind == WR_WANT_NUMBER ? v->i != NULL : v->s != NULL;
    if (!filled && (c->kind != WR_WANT_TEXT || !wr_sift_may(&c->may, wr_sift_text(&empty))))
        return true; /* nobody filled it: null, or all empty */
    bool ok = true;
    for (uint32_t from = 0; from < rows->n && ok; from += BLOCK) {
        uint32_t n = rows->n - from < BLOCK ? rows->n - from : BLOCK;
        const uint16_t *row = rows->row + from;
        if (!filled)
            ok = values(f, c, v, row, n);
        else if (c->kind == WR_WANT_NUMBER)
            ok = values(f, c, v, some, sift->ints(&c->may, v->i, row, n, some));
        else if (c->kind == WR_WANT_TEXT)
            ok = values(f, c, v, some, sift->texts(&c->may, v->s, row, n, some));
        else
            n = sift->terms(&c->heads, v->s, row, n, some);
        for (uint32_t k = 0; c->kind == WR_WANT_TERM && k < n && ok; k++) {
            next_text(f->d);
            ok = terms_of(f, c, &v->s[some[k]], some[k]);
        }
    }
    return ok;
}

static bool find(struct found *f, const struct wr_valuesets *in, const struct wr_batch *b,
                 const struct wr_sel *rows)
{
    const struct wr_sift_kernels *sift = wr_sift_kernels();
    f->d->nhits = 0;
    for (uint32_t i = 0; i < in->n; i++) {
        const struct wr_valueset *c = &in->at[i];
        f->set = (uint16_t)i;
        if (!look(f, sift, c, &b->col[b->schema->cols[c->col].store], rows))
            return false;
    }
    return true;
}

/* Which values rows have: the test that a rule stands under shall be the one that the fewest pass.
 */
static bool learn(struct wr_dispatch *d, const struct wr_batch *b)
{
    struct found f = {.d = d, .learns = true};
    struct wr_sel some = {b->sel.row, b->sel.n < d->learning ? b->sel.n : d->learning};
    if (!d->learning && d->rows >= d->learn_at) {
        d->learning = LEARN_ROWS;
        d->learn_at *= d->learn_at < LEARN_LAST ? LEARN_GROWTH : 2;
        for (uint32_t i = 0; i < d->all.n; i++)
            memset(d->all.at[i].seen, 0, (d->all.at[i].mask + 1) * sizeof *d->all.at[i].seen);
        return true; /* from the next batch on */
    }
    if (!some.n)
        return true;
    if (!find(&f, &d->all, b, &some))
        return false;
    d->learning -= some.n;
    return d->learning || choose_all(d);
}

/* ---- rows by rule
 * ------------------------------------------------------------------------------------- */

static inline const uint32_t *rules_of(const struct wr_dispatch *d, const struct hit *h)
{
    return d->used.at[h->set].rules + h->first;
}

/* How many rows each rule gets at most, and who gets some. */
static size_t count(struct wr_dispatch *d)
{
    size_t all = 0;
    for (const struct hit *h = d->hit; h < d->hit + d->nhits; h++) {
        const uint32_t *rules = rules_of(d, h);
        all += h->n;
        for (uint32_t i = 0; i < h->n; i++)
            if (!d->count[rules[i]]++)
                d->wanted[d->nwanted++] = rules[i];
    }
    return all;
}

/* Rows out of several tables, each in order: once each, and in order. */
static void put_in_order(struct wr_dispatch *d, struct wr_sel *sel, uint32_t nwords)
{
    for (uint32_t k = 0; k < sel->n; k++)
        d->bits[sel->row[k] / 64] |= UINT64_C(1) << (sel->row[k] % 64);
    sel->n = 0;
    for (uint32_t w = 0; w < nwords; w++) {
        for (uint64_t bits = d->bits[w]; bits; bits &= bits - 1)
            sel->row[sel->n++] = (uint16_t)(w * 64 + (uint32_t)__builtin_ctzll(bits));
        d->bits[w] = 0;
    }
}

static bool make_room(struct wr_dispatch *d, size_t rows, uint32_t nwords)
{
    if (rows > d->crows) {
        size_t cap = rows + rows / 2 + 64;
        uint16_t *row = realloc(d->row, cap * sizeof *row);
        if (!row)
            return false;
        d->row = row;
        d->crows = cap;
    }
    if (nwords > d->nbits) {
        uint64_t *bits = calloc(nwords, sizeof *bits);
        if (!bits)
            return false;
        free(d->bits);
        d->bits = bits;
        d->nbits = nwords;
    }
    return true;
}

/* The rows of each rule side by side. */
static void hand_out(struct wr_dispatch *d, struct wr_sel *sel, uint32_t nwords)
{
    uint16_t *at = d->row;
    for (uint32_t k = 0; k < d->nwanted; k++) {
        uint32_t i = d->wanted[k];
        sel[i] = (struct wr_sel){at, 0};
        at += d->count[i];
        d->count[i] = 0;
    }
    for (const struct hit *h = d->hit; h < d->hit + d->nhits; h++) {
        const uint32_t *rules = rules_of(d, h);
        for (uint32_t i = 0; i < h->n; i++) {
            struct wr_sel *s = &sel[rules[i]];
            if (!s->n || s->row[s->n - 1] != h->row) /* a text may have several of a rule's terms */
                s->row[s->n++] = h->row;
        }
    }
    for (uint32_t k = 0; k < d->nwanted; k++)
        if (d->mixed[d->wanted[k]])
            put_in_order(d, &sel[d->wanted[k]], nwords);
}

bool wr_dispatch_rows(struct wr_dispatch *dispatch, const struct wr_batch *batch,
                      struct wr_sel *sel, const uint32_t **ret_rules, uint32_t *ret_n)
{
    struct wr_dispatch *d = dispatch;
    struct found f = {.d = d};
    uint32_t nwords = (batch->nrows + 63) / 64;
    for (uint32_t k = 0; k < d->nwanted; k++)
        sel[d->wanted[k]].n = 0;
    d->nwanted = 0;
    *ret_n = 0;
    *ret_rules = d->wanted;
    if ((d->all.n && !learn(d, batch)) || !find(&f, &d->used, batch, &batch->sel))
        return false;
    size_t rows = count(d);
    if (!make_room(d, rows, nwords)) {
        for (uint32_t k = 0; k < d->nwanted; k++)
            d->count[d->wanted[k]] = 0;
        d->nwanted = 0;
        return false;
    }
    hand_out(d, sel, nwords);
    for (uint32_t k = 0; k < d->neverything; k++) {
        sel[d->everything[k]] = batch->sel;
        d->wanted[d->nwanted++] = d->everything[k];
    }
    d->rows += batch->sel.n;
    *ret_n = d->nwanted;
    return true;
}
