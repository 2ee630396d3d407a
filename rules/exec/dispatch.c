#include "rules/exec/dispatch.h"

#include "rules/exec/wants.h"

#include <stdlib.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

_Static_assert(sizeof(struct wr_str) == 16, "a short text with its length is a block");
enum { NOBODY = 0, TERM_BLOCK = 16 };

/* What the choice between tests is learnt from: rows of the stream, some in the beginning and after
 * ever longer whiles. */
enum { LEARN_ROWS = 2048, LEARN_FIRST = 4096, LEARN_GROWTH = 8 };
#define LEARN_LAST (UINT64_C(1) << 27)

/* A value in a table, and who wants it. */
struct value {
    uint64_t hash;
    uint32_t first, n; /* in `rules` of the column */
};

/* Tests of one kind on one column of the table. */
struct column {
    uint16_t col;
    enum wr_want_kind kind;
    uint32_t nvalues, mask; /* slots - 1 */
    struct value *slot;     /* n NOBODY: empty */
    uint32_t *rules;
    uint32_t *seen; /* of each slot: rows that had the value, while learning */
    uint8_t *maybe; /* a bit for the first bits of each hash; 0: no such value. TERM: for two bytes
                       that one begins with */
    uint32_t shift; /* of a lead (16 bits) to its place there */
};

struct columns {
    struct column *at;
    uint32_t n;
};

struct rule {
    bool reads;      /* the table */
    bool everything; /* has no test to stand under */
    bool mixed;      /* stands in tables of several columns */
    struct wr_way *ways;
    uint16_t *rows; /* made when a row first wants it */
    uint64_t *has;  /* mixed: a bit a row */
    uint32_t room;  /* rows */
    bool touched;
};

struct wr_dispatch {
    enum wr_table table;
    struct wr_arena *arena; /* of ways */
    struct rule *rule;
    uint32_t n;
    struct columns all, used; /* every choice; those that were chosen */
    uint64_t rows, learn_at;  /* rows so far; when learning next begins */
    uint32_t learning;        /* rows to go */
    uint32_t *wanted;
    uint32_t nwanted;
};

static uint64_t fold(uint64_t a, uint64_t b)
{
    __uint128_t r = (__uint128_t)a * b;
    return (uint64_t)r ^ (uint64_t)(r >> 64);
}

static const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15), no_case = UINT64_C(0x2020202020202020);

/* Values come from rules' authors; a stranger who finds texts of one hash makes a rule test a row
 * in vain. */
static inline uint64_t text_hash(const struct wr_str *s)
{
    uint64_t h = s->len, w = 0;
    if (s->len <= WR_STR_INLINE) { /* zeros stand behind it */
        uint32_t tail;
        memcpy(&w, s->inl, sizeof w);
        memcpy(&tail, s->inl + sizeof w, sizeof tail);
        return fold((w | no_case) ^ odd, (tail | no_case) ^ h * odd);
    }
    const char *p = wr_str_data(s);
    uint32_t n = s->len;
    for (; n >= 8; p += 8, n -= 8) {
        memcpy(&w, p, 8);
        h = fold((w | no_case) ^ odd, h ^ no_case);
    }
    w = 0;
    if (n)
        memcpy(&w, p, n);
    return fold((w | no_case) ^ odd, h ^ odd);
}

static inline uint64_t int_hash(int64_t v)
{
    return fold((uint64_t)v ^ odd, odd);
}

/* What may be one of the values is told by less than a hash: of a long text by its length and first
 * bytes, so that most are never read. 16 bits, without case. */
static inline uint32_t int_lead(int64_t v)
{
    return (uint32_t)((uint64_t)v * odd >> 48);
}

static inline uint32_t text_lead(const struct wr_str *s)
{
    uint64_t rest;
    uint32_t first;
    memcpy(&first, s->inl, sizeof first);
    memcpy(&rest, s->inl + sizeof first, sizeof rest); /* of a long text where it lies */
    rest = (rest | no_case) & (UINT64_C(0) - (s->len <= WR_STR_INLINE));
    uint64_t head = s->len | (first | no_case) << 32;
    return (uint32_t)((head * odd + rest * UINT64_C(0xd6e8feb86659fd93)) >> 48);
}

/* The next term of a text from *at on; false at its end. Its hash is without case. */
static inline bool next_term(const char *p, uint32_t len, uint32_t *at, uint32_t *ret_len,
                             uint64_t *ret_hash)
{
    uint32_t i = *at;
    while (i < len && !wr_term_byte[(unsigned char)p[i]])
        i++;
    uint32_t start = i;
    uint64_t h = 0;
    for (uint8_t c; i < len && (c = wr_term_byte[(unsigned char)p[i]]) != 0; i++)
        h = (h ^ c) * UINT64_C(0x100000001b3);
    *at = i;
    *ret_len = i - start;
    *ret_hash = fold(h ^ odd, odd);
    return i > start;
}

/* The two bytes that the term at `i` begins with. */
static inline uint32_t lead_of(const char *p, uint32_t len, uint32_t i)
{
    return (uint32_t)wr_term_byte[(unsigned char)p[i]] << 8 |
           (i + 1 < len ? wr_term_byte[(unsigned char)p[i + 1]] : 0u);
}

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

/* Hash of a want's value; *ret_lead: where it stands in `maybe`. */
static uint64_t value_hash(const struct wr_want *w, uint32_t i, uint32_t *ret_lead)
{
    const struct wr_value *v = &w->values[i]->value;
    uint64_t hash = 0;
    uint32_t at = 0, len = 0;
    if (w->kind != WR_WANT_TERM) {
        hash = w->kind == WR_WANT_TEXT ? text_hash(&v->s) : int_hash(v->i);
        *ret_lead = w->kind == WR_WANT_TEXT ? text_lead(&v->s) : int_lead(v->i);
        return hash;
    }
    (void)wr_longest_term(wr_str_data(&v->s), v->s.len, &at, &len);
    *ret_lead = lead_of(wr_str_data(&v->s), v->s.len, at);
    (void)next_term(wr_str_data(&v->s), v->s.len, &at, &len, &hash);
    return hash;
}

/* ---- tables ------------------------------------------------------------------------------------------- */

static uint32_t slot_of(const struct column *c, uint64_t hash)
{
    uint32_t i = (uint32_t)hash & c->mask;
    while (c->slot[i].n && c->slot[i].hash != hash)
        i = (i + 1) & c->mask;
    return i;
}

/* The table of a want's column; made when there is none. */
static struct column *column_of(struct columns *in, const struct wr_want *w)
{
    for (uint32_t i = 0; i < in->n; i++)
        if (in->at[i].col == w->col && in->at[i].kind == w->kind)
            return &in->at[i];
    struct column *list = realloc(in->at, (in->n + 1) * sizeof *list);
    if (!list)
        return NULL;
    in->at = list;
    list[in->n] = (struct column){.col = w->col, .kind = w->kind};
    return &list[in->n++];
}

static bool make_slots(struct column *c, bool learns)
{
    uint32_t n = 8, bits = 10;
    while (n < 2 * c->nvalues)
        n *= 2;
    while (bits < 16 && UINT32_C(1) << bits < 32 * c->nvalues)
        bits++;
    bits = c->kind == WR_WANT_TERM ? 16 : bits;
    c->slot = calloc(n, sizeof *c->slot);
    c->rules = calloc(c->nvalues + 1u, sizeof *c->rules);
    c->seen = learns ? calloc(n, sizeof *c->seen) : NULL;
    c->maybe = calloc(1, (UINT32_C(1) << bits) / 8);
    c->mask = n - 1;
    c->shift = 16 - bits;
    return c->slot && c->rules && c->maybe && (c->seen || !learns);
}

static void drop_tables(struct columns *in)
{
    for (uint32_t i = 0; i < in->n; i++) {
        free(in->at[i].slot);
        free(in->at[i].rules);
        free(in->at[i].seen);
        free(in->at[i].maybe);
    }
    free(in->at);
    *in = (struct columns){0};
}

static inline bool may_be(const struct column *c, uint32_t lead)
{
    lead >>= c->shift;
    return c->maybe[lead / 8] >> (lead % 8) & 1;
}

/* What is done with each value of the choices. */
enum pass { COUNT, ROOM, LIST };

static bool each_value(struct columns *in, const struct wr_choice *choice, uint32_t rule,
                       enum pass pass)
{
    for (uint32_t k = 0; k < choice->n; k++) {
        const struct wr_want *w = &choice->any[k];
        struct column *c = column_of(in, w);
        if (!c)
            return false;
        if (pass == COUNT)
            c->nvalues += w->n;
        for (uint32_t v = 0; pass != COUNT && v < w->n; v++) {
            uint32_t lead;
            uint64_t hash = value_hash(w, v, &lead);
            struct value *at = &c->slot[slot_of(c, hash)];
            at->hash = hash;
            lead >>= c->shift;
            c->maybe[lead / 8] |= (uint8_t)(1u << (lead % 8));
            if (pass == ROOM)
                at->n++;
            else if (at->n == UINT32_MAX ||
                     c->rules[at->first + at->n - 1] != rule) { /* a value may stand twice */
                at->n = at->n == UINT32_MAX ? 0 : at->n;
                c->rules[at->first + at->n++] = rule;
            }
        }
    }
    return true;
}

/* Every choice of every rule, or (`chosen`) the first of each way. */
static bool each_choice(struct wr_dispatch *d, struct columns *in, bool chosen, enum pass pass)
{
    for (uint32_t i = 0; i < d->n; i++)
        for (struct wr_way *way = d->rule[i].ways; way; way = way->next)
            for (uint32_t k = 0; k < way->n && (!chosen || k == 0); k++)
                if (!each_value(in, &way->must[k], i, pass))
                    return false;
    return true;
}

static bool make_tables(struct wr_dispatch *d, struct columns *in, bool chosen)
{
    bool ok = each_choice(d, in, chosen, COUNT);
    for (uint32_t i = 0; ok && i < in->n; i++)
        ok = make_slots(&in->at[i], !chosen);
    if (!ok || !each_choice(d, in, chosen, ROOM))
        return false;
    for (uint32_t i = 0; i < in->n; i++) {
        struct column *c = &in->at[i];
        for (uint32_t k = 0, at = 0; k <= c->mask; k++) {
            uint32_t n = c->slot[k].n;
            c->slot[k].first = at;
            at += n;
            c->slot[k].n = n ? UINT32_MAX : NOBODY; /* filled anew below, the value stays taken */
        }
    }
    return each_choice(d, in, chosen, LIST);
}

/* How many rows have one of the choice's values, of those that were learnt from; beside that, how
 * many rules share them. */
static uint64_t cost(struct wr_dispatch *d, const struct wr_choice *choice)
{
    uint64_t seen = 0, shared = 0;
    for (uint32_t k = 0; k < choice->n; k++) {
        const struct column *c = column_of(&d->all, &choice->any[k]);
        for (uint32_t v = 0; v < choice->any[k].n; v++) {
            uint32_t lead, at = slot_of(c, value_hash(&choice->any[k], v, &lead));
            seen += c->seen[at];
            shared += c->slot[at].n;
        }
    }
    return seen << 32 | (shared < UINT32_MAX ? shared : UINT32_MAX);
}

/* Puts the cheapest choice of each way first. */
static void choose(struct wr_dispatch *d, struct wr_way *way)
{
    uint32_t best = 0;
    uint64_t least = UINT64_MAX;
    for (uint32_t k = 0; k < way->n; k++) {
        uint64_t c = cost(d, &way->must[k]);
        if (c < least) {
            least = c;
            best = k;
        }
    }
    struct wr_choice first = way->must[best];
    way->must[best] = way->must[0];
    way->must[0] = first;
}

/* Rows of one rule come in order out of one table only. */
static bool is_mixed(const struct rule *rule)
{
    const struct wr_want *first = &rule->ways->must[0].any[0];
    for (const struct wr_way *way = rule->ways; way; way = way->next)
        for (uint32_t k = 0; k < way->must[0].n; k++)
            if (way->must[0].any[k].col != first->col || way->must[0].any[k].kind != first->kind)
                return true;
    return false;
}

/* Choices by what has been learnt, and the tables for them. False: out of memory, and the old ones
 * stand. */
static bool choose_all(struct wr_dispatch *d)
{
    struct columns used = {0};
    for (uint32_t i = 0; i < d->n; i++)
        for (struct wr_way *way = d->rule[i].ways; way; way = way->next)
            choose(d, way);
    if (!make_tables(d, &used, true)) {
        drop_tables(&used);
        return false;
    }
    drop_tables(&d->used);
    d->used = used;
    for (uint32_t i = 0; i < d->n; i++) {
        d->rule[i].mixed = d->rule[i].ways && is_mixed(&d->rule[i]);
        d->rule[i].room = 0;
    }
    return true;
}

static bool init(struct wr_dispatch *d, const struct wr_dispatch_rule *rules)
{
    for (uint32_t i = 0; i < d->n; i++) {
        struct rule *r = &d->rule[i];
        r->reads = rules[i].root != NULL;
        if (r->reads &&
            !wr_ways_of(d->arena, d->table, rules[i].root, rules[i].subs, rules[i].nsubs, &r->ways))
            return false;
        r->everything = r->reads && !r->ways;
    }
    d->learn_at = LEARN_FIRST;
    d->learning = LEARN_ROWS;
    return make_tables(d, &d->all, false) && choose_all(d);
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
    d->rule = calloc(n + 1u, sizeof *d->rule);
    d->wanted = calloc(n + 1u, sizeof *d->wanted);
    if (!d->arena || !d->rule || !d->wanted || !init(d, rules)) {
        wr_dispatch_free(d);
        return NULL;
    }
    return d;
}

void wr_dispatch_free(struct wr_dispatch *dispatch)
{
    if (!dispatch)
        return;
    drop_tables(&dispatch->all);
    drop_tables(&dispatch->used);
    for (uint32_t i = 0; dispatch->rule && i < dispatch->n; i++) {
        free(dispatch->rule[i].rows);
        free(dispatch->rule[i].has);
    }
    wr_arena_free(dispatch->arena);
    free(dispatch->rule);
    free(dispatch->wanted);
    free(dispatch);
}

/* ---- rows --------------------------------------------------------------------------------------------- */

/* Where found rows go. */
struct found {
    struct wr_dispatch *d;
    struct wr_sel *sel;
    uint32_t nrows;
    bool learns; /* rows are counted only */
};

static bool touch(struct found *f, uint32_t rule)
{
    struct rule *r = &f->d->rule[rule];
    if (r->room < f->nrows) {
        free(r->rows);
        free(r->has);
        r->room = 0;
        r->rows = malloc(f->nrows * sizeof *r->rows);
        r->has = r->mixed ? malloc((f->nrows + 63) / 64 * sizeof *r->has) : NULL;
        if (!r->rows || (r->mixed && !r->has))
            return false;
        r->room = f->nrows;
    }
    if (r->mixed)
        memset(r->has, 0, (f->nrows + 63) / 64 * sizeof *r->has);
    f->sel[rule] = (struct wr_sel){r->rows, 0};
    f->d->wanted[f->d->nwanted++] = rule;
    r->touched = true;
    return true;
}

static bool give(struct found *f, const struct column *c, uint32_t slot, uint32_t row)
{
    const struct value *v = &c->slot[slot];
    if (f->learns) {
        c->seen[slot]++;
        return true;
    }
    for (uint32_t i = 0; i < v->n; i++) {
        uint32_t rule = c->rules[v->first + i];
        struct rule *r = &f->d->rule[rule];
        if (!r->touched && !touch(f, rule))
            return false;
        struct wr_sel *sel = &f->sel[rule];
        if (r->mixed)
            r->has[row / 64] |= UINT64_C(1) << (row % 64);
        else if (!sel->n || sel->row[sel->n - 1] != row) /* a text may have a term twice */
            sel->row[sel->n++] = (uint16_t)row;
    }
    return true;
}

/* Blocks of a text: where terms begin is told for sixteen bytes at once, and most begin as none
 * does that is looked for. */
static bool terms_of(struct found *f, const struct column *c, const struct wr_str *s, uint32_t row)
{
    const char *p = wr_str_data(s);
    uint32_t before = 0; /* the byte before the block is part of a term */
    for (uint32_t at = 0; at < s->len; at += TERM_BLOCK) {
        uint32_t mask;
        if (s->len - at >= TERM_BLOCK) {
            mask = term_bytes((const uint8_t *)p + at);
        } else if (at) { /* the last block again, less what it shares with the one before */
            mask = term_bytes((const uint8_t *)p + s->len - TERM_BLOCK) >> (TERM_BLOCK - (s->len - at));
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
            if (!may_be(c, lead_of(p, s->len, i)) || !next_term(p, s->len, &i, &len, &hash))
                continue;
            uint32_t slot = slot_of(c, hash);
            if (c->slot[slot].n && !give(f, c, slot, row))
                return false;
        }
    }
    return true;
}

static bool terms(struct found *f, const struct column *c, const struct wr_vec *v,
                  const struct wr_sel *rows)
{
    for (uint32_t k = 0; v->s && k < rows->n; k++)
        if (!terms_of(f, c, &v->s[rows->row[k]], rows->row[k]))
            return false;
    return true;
}

enum { BLOCK = 256 };

/* Rows from place `from` on whose value may be one of the table's: without a branch, as most are
 * not. */
static uint32_t sift(const struct column *c, const struct wr_vec *v, const struct wr_sel *rows,
                     uint32_t from, uint16_t *row)
{
    uint32_t n = rows->n - from < BLOCK ? rows->n - from : BLOCK, m = 0;
    const uint16_t *at = rows->row + from;
    if (c->kind == WR_WANT_NUMBER)
        for (uint32_t k = 0; k < n; k++) {
            row[m] = at[k];
            m += may_be(c, int_lead(v->i[at[k]]));
        }
    else
        for (uint32_t k = 0; k < n; k++) {
            row[m] = at[k];
            m += may_be(c, text_lead(&v->s[at[k]]));
        }
    return m;
}

static bool values(struct found *f, const struct column *c, const struct wr_vec *v,
                   const struct wr_sel *rows)
{
    static const struct wr_str empty;
    uint16_t row[BLOCK];
    bool text = c->kind == WR_WANT_TEXT;
    if (!text && !v->i)
        return true; /* nobody filled it: null */
    if (text && !v->s && !may_be(c, text_lead(&empty)))
        return true; /* ... or all empty */
    for (uint32_t from = 0; from < rows->n; from += BLOCK) {
        uint32_t n = rows->n - from < BLOCK ? rows->n - from : BLOCK;
        if (text && !v->s)
            memcpy(row, rows->row + from, n * sizeof *row);
        else
            n = sift(c, v, rows, from, row);
        for (uint32_t k = 0; k < n; k++) {
            uint64_t hash =
                !text ? int_hash(v->i[row[k]]) : text_hash(v->s ? &v->s[row[k]] : &empty);
            uint32_t slot = slot_of(c, hash);
            if (c->slot[slot].n && wr_vec_valid(v, row[k]) && !give(f, c, slot, row[k]))
                return false;
        }
    }
    return true;
}

static bool find(struct found *f, const struct columns *in, const struct wr_batch *b,
                 const struct wr_sel *rows)
{
    for (uint32_t i = 0; i < in->n; i++) {
        const struct column *c = &in->at[i];
        const struct wr_vec *v = &b->col[b->schema->cols[c->col].store];
        if (!(c->kind == WR_WANT_TERM ? terms : values)(f, c, v, rows))
            return false;
    }
    return true;
}

/* Which values rows have: the test that a rule stands under shall be the one that the fewest pass.
 */
static bool learn(struct found *f, const struct wr_batch *b)
{
    struct wr_dispatch *d = f->d;
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
    f->learns = true;
    if (!find(f, &d->all, b, &some))
        return false;
    f->learns = false;
    d->learning -= some.n;
    return d->learning || choose_all(d);
}

bool wr_dispatch_rows(struct wr_dispatch *dispatch, const struct wr_batch *batch,
                      struct wr_sel *sel, const uint32_t **ret_rules, uint32_t *ret_n)
{
    struct wr_dispatch *d = dispatch;
    struct found f = {.d = d, .sel = sel, .nrows = batch->nrows};
    for (uint32_t k = 0; k < d->nwanted; k++)
        sel[d->wanted[k]].n = 0;
    d->nwanted = 0;
    if (d->all.n && !learn(&f, batch))
        return false;
    for (uint32_t i = 0; i < d->n; i++)
        if (d->rule[i].everything) {
            sel[i] = batch->sel;
            d->wanted[d->nwanted++] = i;
        }
    bool ok = find(&f, &d->used, batch, &batch->sel);
    for (uint32_t k = 0; k < d->nwanted; k++) {
        uint32_t i = d->wanted[k];
        struct rule *r = &d->rule[i];
        r->touched = false;
        for (uint32_t w = 0; r->mixed && w < (batch->nrows + 63) / 64; w++)
            for (uint64_t bits = r->has[w]; bits; bits &= bits - 1)
                sel[i].row[sel[i].n++] = (uint16_t)(w * 64 + (uint32_t)__builtin_ctzll(bits));
    }
    d->rows += batch->sel.n;
    *ret_rules = d->wanted;
    *ret_n = d->nwanted;
    return ok;
}
