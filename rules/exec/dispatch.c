#include "rules/exec/dispatch.h"

#include "rules/exec/filter.h"
#include "rules/fn/kernel.h"

#include <stdlib.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { MAX_TESTS = 16, NOBODY = 0 };

/* A value in a table, and who wants it. */
struct value {
    uint64_t hash;
    uint32_t first, n; /* in `rules` of the column */
};

enum kind { WHOLE_NUMBER, WHOLE_TEXT, TERM };

/* Tests of one kind on one column of the table. */
struct column {
    uint16_t col;
    enum kind kind;
    uint32_t nvalues, mask; /* slots - 1 */
    struct value *slot;     /* n NOBODY: empty */
    uint32_t *rules;
    uint8_t *leads; /* TERM: a bit for each two bytes that a term begins with; the second 0: it has one */
};

enum { LEADS = 65536 / 8, TERM_BLOCK = 16 };

struct wr_dispatch {
    enum wr_table table;
    uint32_t n;
    bool *reads;      /* rule reads the table */
    bool *everything; /* rule has no test to stand under */
    struct column *column;
    uint32_t ncolumns;
    uint16_t **rows; /* room of each rule, made when a row first wants it */
    uint32_t *room;
};

/* A row passes only with one of these values; `has`: with the longest term of one of these texts. */
struct test {
    uint16_t col;
    enum kind kind;
    uint32_t n;
    struct wr_ex *const *values;
};

/* One rule's candidates. */
struct tests {
    struct test at[MAX_TESTS];
    uint32_t n;
};

static uint64_t fold(uint64_t a, uint64_t b)
{
    __uint128_t r = (__uint128_t)a * b;
    return (uint64_t)r ^ (uint64_t)(r >> 64);
}

static const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15), no_case = UINT64_C(0x2020202020202020);

/* Values come from rules' authors; a stranger who finds texts of one hash makes a rule test a row in vain. */
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

/* Letters without case and digits; 0: no part of a term. */
#define TEN(from) from, from + 1, from + 2, from + 3, from + 4, from + 5, from + 6, from + 7, from + 8, from + 9
#define LETTERS TEN('a'), TEN('k'), 'u', 'v', 'w', 'x', 'y', 'z'
static const uint8_t term_byte[256] = {[ '0' ] = TEN('0'), [ 'A' ] = LETTERS, [ 'a' ] = LETTERS};

/* The next term of a text from *at on; false at its end. Its hash is without case. */
static inline bool next_term(const char *p, uint32_t len, uint32_t *at, uint32_t *ret_len, uint64_t *ret_hash)
{
    uint32_t i = *at;
    while (i < len && !term_byte[(unsigned char)p[i]])
        i++;
    uint32_t start = i;
    uint64_t h = 0;
    for (uint8_t c; i < len && (c = term_byte[(unsigned char)p[i]]) != 0; i++)
        h = (h ^ c) * UINT64_C(0x100000001b3);
    *at = i;
    *ret_len = i - start;
    *ret_hash = fold(h ^ odd, odd);
    return i > start;
}

/* The two bytes that the term at `i` begins with. */
static inline uint32_t lead_of(const char *p, uint32_t len, uint32_t i)
{
    return (uint32_t)term_byte[(unsigned char)p[i]] << 8 | (i + 1 < len ? term_byte[(unsigned char)p[i + 1]] : 0u);
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
        mask |= (uint32_t)(term_byte[block[i]] != 0) << i;
    return mask;
#endif
}

/* False when the text has no term. */
static bool longest_term(const struct wr_str *s, uint64_t *ret_hash, uint32_t *ret_lead)
{
    uint32_t at = 0, len, best = 0;
    uint64_t hash;
    while (next_term(wr_str_data(s), s->len, &at, &len, &hash))
        if (len > best) {
            best = len;
            *ret_hash = hash;
            *ret_lead = lead_of(wr_str_data(s), s->len, at - len);
        }
    return best > 0;
}

static uint64_t value_hash(const struct test *t, uint32_t i)
{
    const struct wr_value *v = &t->values[i]->value;
    uint64_t hash = 0;
    uint32_t lead;
    if (t->kind == TERM)
        (void)longest_term(&v->s, &hash, &lead);
    else
        hash = t->kind == WHOLE_TEXT ? text_hash(&v->s) : int_hash(v->i);
    return hash;
}

static bool changes(enum wr_table table, uint16_t col)
{
    const struct wr_amends *amends = wr_table_amends(table);
    for (uint16_t i = 0; amends && i < amends->ncols; i++)
        if (amends->cols[i].col == col)
            return true;
    return false;
}

/* `has` and its kin over a column and constants, each with a term. */
static bool term_test(const struct wr_ex *ex, struct test *ret_test)
{
    wr_fn_eval *f = ex->fn->eval;
    bool any = f == wr_k_has || f == wr_k_has_cs || f == wr_k_has_any, all = f == wr_k_has_all;
    uint64_t hash;
    uint32_t lead;
    if ((!any && !all) || ex->args[0]->kind != WR_EX_COL || ex->args[0]->type != WR_STRING)
        return false;
    for (uint32_t a = 1; a < ex->nargs; a++)
        if (ex->args[a]->kind != WR_EX_CONST || ex->args[a]->type != WR_STRING ||
            !longest_term(&ex->args[a]->value.s, &hash, &lead))
            return false;
    *ret_test = (struct test){ex->args[0]->col, TERM, all ? 1 : ex->nargs - 1, ex->args + 1};
    return ex->nargs > 1;
}

/* Conjuncts that a row must pass and that say which values it has. */
static void collect(enum wr_table table, const struct wr_ex *ex, struct tests *to)
{
    struct wr_test t;
    struct test test;
    if (ex->kind != WR_EX_CALL || to->n == MAX_TESTS)
        return;
    if (strcmp(ex->fn->name, "and") == 0) {
        for (uint32_t a = 0; a < ex->nargs; a++)
            collect(table, ex->args[a], to);
        return;
    }
    if (wr_test_of(ex, &t) && t.how == WR_TEST_EQ && !t.negate)
        test = (struct test){t.col, t.text ? WHOLE_TEXT : WHOLE_NUMBER, t.n, t.values};
    else if (!term_test(ex, &test))
        return;
    if (!changes(table, test.col))
        to->at[to->n++] = test;
}

static void collect_chain(enum wr_table table, const struct wr_op *top, struct tests *to)
{
    const struct wr_op *chain[WR_STREAM_OPS_MAX + 1];
    uint32_t n = 0;
    to->n = 0;
    for (const struct wr_op *op = top; op; op = op->input) {
        if (n == WR_STREAM_OPS_MAX + 1)
            return;
        chain[n++] = op;
    }
    for (uint32_t i = n - 1; i-- > 0 && chain[i]->kind == WR_OP_WHERE;)
        collect(table, chain[i]->pred, to);
}

/* ---- tables -------------------------------------------------------------------------------------- */

static struct value *find(struct column *c, uint64_t hash)
{
    uint32_t i = (uint32_t)hash & c->mask;
    while (c->slot[i].n && c->slot[i].hash != hash)
        i = (i + 1) & c->mask;
    return &c->slot[i];
}

/* The table of a test's column. */
static struct column *column_of(struct wr_dispatch *d, const struct test *t)
{
    for (uint32_t i = 0; i < d->ncolumns; i++)
        if (d->column[i].col == t->col && d->column[i].kind == t->kind)
            return &d->column[i];
    struct column *list = realloc(d->column, (d->ncolumns + 1) * sizeof *list);
    if (!list)
        return NULL;
    d->column = list;
    list[d->ncolumns] = (struct column){.col = t->col, .kind = t->kind};
    return &list[d->ncolumns++];
}

static bool make_slots(struct column *c)
{
    uint32_t n = 8;
    while (n < 2 * c->nvalues)
        n *= 2;
    c->slot = calloc(n, sizeof *c->slot);
    c->mask = n - 1;
    return c->slot != NULL;
}

/* Makes the tables, and counts in them how often each value is asked for. */
static bool count_values(struct wr_dispatch *d, const struct tests *tests)
{
    for (uint32_t i = 0; i < d->n; i++)
        for (uint32_t k = 0; k < tests[i].n; k++) {
            struct column *c = column_of(d, &tests[i].at[k]);
            if (!c)
                return false;
            c->nvalues += tests[i].at[k].n;
        }
    for (uint32_t i = 0; i < d->ncolumns; i++)
        if (!make_slots(&d->column[i]))
            return false;
    for (uint32_t i = 0; i < d->n; i++)
        for (uint32_t k = 0; k < tests[i].n; k++)
            for (uint32_t v = 0; v < tests[i].at[k].n; v++) {
                uint64_t hash = value_hash(&tests[i].at[k], v);
                struct value *at = find(column_of(d, &tests[i].at[k]), hash);
                at->hash = hash;
                at->n++;
            }
    return true;
}

static void drop_tables(struct wr_dispatch *d)
{
    for (uint32_t i = 0; i < d->ncolumns; i++) {
        free(d->column[i].slot);
        free(d->column[i].rules);
        free(d->column[i].leads);
    }
    free(d->column);
    d->column = NULL;
    d->ncolumns = 0;
}

/* Leaves each rule the test whose values are shared the least. */
static void choose(struct wr_dispatch *d, struct tests *tests)
{
    for (uint32_t i = 0; i < d->n; i++) {
        uint32_t best = 0, least = UINT32_MAX;
        for (uint32_t k = 0; k < tests[i].n; k++) {
            uint32_t shared = 0;
            for (uint32_t v = 0; v < tests[i].at[k].n; v++)
                shared += find(column_of(d, &tests[i].at[k]), value_hash(&tests[i].at[k], v))->n;
            if (shared < least) {
                least = shared;
                best = k;
            }
        }
        d->everything[i] = d->reads[i] && !tests[i].n;
        if (tests[i].n) {
            tests[i].at[0] = tests[i].at[best];
            tests[i].n = 1;
        }
    }
}

static void mark_lead(struct column *c, const struct wr_str *text)
{
    uint64_t hash;
    uint32_t lead;
    if (c->kind == TERM && longest_term(text, &hash, &lead))
        c->leads[lead / 8] |= (uint8_t)(1u << (lead % 8));
}

/* Who wants each value; every value is counted by now. */
static bool list_rules(struct wr_dispatch *d, const struct tests *tests)
{
    for (uint32_t i = 0; i < d->ncolumns; i++) {
        struct column *c = &d->column[i];
        uint32_t at = 0;
        c->rules = calloc(c->nvalues + 1u, sizeof *c->rules);
        c->leads = c->kind == TERM ? calloc(1, LEADS) : NULL;
        if (!c->rules || (c->kind == TERM && !c->leads))
            return false;
        for (uint32_t k = 0; k <= c->mask; k++) {
            c->slot[k].first = at;
            at += c->slot[k].n;
        }
        for (uint32_t k = 0; k <= c->mask; k++) /* filled anew below, the value stays taken */
            c->slot[k].n = c->slot[k].n ? UINT32_MAX : NOBODY;
    }
    for (uint32_t i = 0; i < d->n; i++)
        for (uint32_t v = 0; tests[i].n && v < tests[i].at[0].n; v++) {
            struct column *c = column_of(d, &tests[i].at[0]);
            struct value *at = find(c, value_hash(&tests[i].at[0], v));
            if (at->n == UINT32_MAX)
                at->n = 0;
            mark_lead(c, &tests[i].at[0].values[v]->value.s);
            if (!at->n || c->rules[at->first + at->n - 1] != i) /* a value may stand twice in a list */
                c->rules[at->first + at->n++] = i;
        }
    return true;
}

struct wr_dispatch *wr_dispatch_new(enum wr_table table, const struct wr_op *const *chain, uint32_t n)
{
    struct wr_dispatch *d = calloc(1, sizeof *d);
    struct tests *tests = calloc(n + 1u, sizeof *tests);
    bool ok = d && tests;
    if (ok) {
        d->table = table;
        d->n = n;
        d->reads = calloc(n + 1u, sizeof *d->reads);
        d->everything = calloc(n + 1u, sizeof *d->everything);
        d->rows = calloc(n + 1u, sizeof *d->rows);
        d->room = calloc(n + 1u, sizeof *d->room);
        ok = d->reads && d->everything && d->rows && d->room;
    }
    for (uint32_t i = 0; ok && i < n; i++) {
        d->reads[i] = chain[i] != NULL;
        if (chain[i])
            collect_chain(table, chain[i], &tests[i]);
    }
    ok = ok && count_values(d, tests);
    if (ok) {
        choose(d, tests);
        drop_tables(d);
        ok = count_values(d, tests) && list_rules(d, tests);
    }
    free(tests);
    if (!ok) {
        wr_dispatch_free(d);
        return NULL;
    }
    return d;
}

void wr_dispatch_free(struct wr_dispatch *dispatch)
{
    if (!dispatch)
        return;
    drop_tables(dispatch);
    for (uint32_t i = 0; dispatch->rows && i < dispatch->n; i++)
        free(dispatch->rows[i]);
    free(dispatch->rows);
    free(dispatch->room);
    free(dispatch->reads);
    free(dispatch->everything);
    free(dispatch);
}

/* ---- rows ---------------------------------------------------------------------------------------- */

static bool give(struct wr_dispatch *d, const struct column *c, const struct value *v, uint32_t row, uint32_t nrows,
                 struct wr_sel *sel)
{
    for (uint32_t i = 0; i < v->n; i++) {
        uint32_t rule = c->rules[v->first + i];
        if (d->room[rule] < nrows) {
            free(d->rows[rule]);
            d->room[rule] = 0;
            d->rows[rule] = malloc(nrows * sizeof **d->rows);
            if (!d->rows[rule])
                return false;
            d->room[rule] = nrows;
            sel[rule] = (struct wr_sel){d->rows[rule], 0};
        }
        if (!sel[rule].n || sel[rule].row[sel[rule].n - 1] != row) /* a text may have a term twice */
            sel[rule].row[sel[rule].n++] = (uint16_t)row;
    }
    return true;
}

/* Blocks of a text: where terms begin is told for sixteen bytes at once, and most begin as none does that is looked for. */
static bool terms_of(struct wr_dispatch *d, struct column *c, const struct wr_str *s, uint32_t row, uint32_t nrows,
                     struct wr_sel *sel)
{
    const char *p = wr_str_data(s);
    uint32_t before = 0; /* the byte before the block is part of a term */
    for (uint32_t at = 0; at < s->len; at += TERM_BLOCK) {
        uint8_t tail[TERM_BLOCK] = {0};
        const uint8_t *block = (const uint8_t *)p + at;
        if (s->len - at < TERM_BLOCK)
            block = memcpy(tail, p + at, s->len - at);
        uint32_t mask = term_bytes(block), begins = mask & ~(mask << 1 | before);
        before = mask >> (TERM_BLOCK - 1);
        for (; begins; begins &= begins - 1) {
            uint32_t i = at + (uint32_t)__builtin_ctz(begins), lead = lead_of(p, s->len, i), len;
            uint64_t hash;
            if (!(c->leads[lead / 8] >> (lead % 8) & 1) || !next_term(p, s->len, &i, &len, &hash))
                continue;
            const struct value *have = find(c, hash);
            if (have->n && !give(d, c, have, row, nrows, sel))
                return false;
        }
    }
    return true;
}

static bool terms(struct wr_dispatch *d, struct column *c, const struct wr_batch *b, struct wr_sel *sel)
{
    const struct wr_vec *v = &b->col[b->schema->cols[c->col].store];
    for (uint32_t k = 0; v->s && k < b->sel.n; k++)
        if (!terms_of(d, c, &v->s[b->sel.row[k]], b->sel.row[k], b->nrows, sel))
            return false;
    return true;
}

static bool values(struct wr_dispatch *d, struct column *c, const struct wr_batch *b, struct wr_sel *sel)
{
    const struct wr_vec *v = &b->col[b->schema->cols[c->col].store];
    const struct wr_str empty = {0};
    bool text = c->kind == WHOLE_TEXT;
    if (!text && !v->i)
        return true; /* nobody filled it: null */
    for (uint32_t k = 0; k < b->sel.n; k++) {
        uint32_t row = b->sel.row[k];
        const struct value *have = find(c, !text ? int_hash(v->i[row]) : text_hash(v->s ? &v->s[row] : &empty));
        if (have->n && wr_vec_valid(v, row) && !give(d, c, have, row, b->nrows, sel))
            return false;
    }
    return true;
}

bool wr_dispatch_rows(struct wr_dispatch *dispatch, const struct wr_batch *batch, struct wr_sel *sel)
{
    for (uint32_t i = 0; i < dispatch->n; i++)
        sel[i] = dispatch->everything[i] ? batch->sel : (struct wr_sel){dispatch->rows[i], 0};
    for (uint32_t i = 0; i < dispatch->ncolumns; i++) {
        struct column *c = &dispatch->column[i];
        if (!(c->kind == TERM ? terms : values)(dispatch, c, batch, sel))
            return false;
    }
    return true;
}
