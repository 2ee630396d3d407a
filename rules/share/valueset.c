#include "rules/share/valueset.h"

#include <stdlib.h>

uint64_t wr_value_hash_long(const struct wr_str *s)
{
    const char *p = wr_str_data(s);
    uint64_t h = s->len, w;
    uint32_t n = s->len;
    for (; n >= 8; p += 8, n -= 8) {
        memcpy(&w, p, 8);
        h = wr_value_fold((w | WR_VALUE_NO_CASE) ^ WR_VALUE_ODD, h ^ WR_VALUE_NO_CASE);
    }
    w = 0;
    if (n)
        memcpy(&w, p, n);
    return wr_value_fold((w | WR_VALUE_NO_CASE) ^ WR_VALUE_ODD, h ^ WR_VALUE_ODD);
}

bool wr_value_next_term(const char *p, uint32_t len, uint32_t *at, uint32_t *ret_len,
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
    *ret_hash = wr_value_fold(h ^ WR_VALUE_ODD, WR_VALUE_ODD);
    return i > start;
}

/* Hash of a want's value; *ret_lead: where it stands in `may`. */
static uint64_t value_hash(const struct wr_want *w, uint32_t i, uint32_t *ret_lead)
{
    const struct wr_value *v = &w->values[i]->value;
    uint64_t hash = 0;
    uint32_t at = 0, len = 0;
    if (w->kind == WR_WANT_TEXT) {
        *ret_lead = wr_sift_text(&v->s);
        return wr_value_hash_text(&v->s);
    }
    if (w->kind == WR_WANT_NUMBER) {
        *ret_lead = wr_sift_int(v->i);
        return wr_value_hash_int(v->i);
    }
    (void)wr_longest_term(wr_str_data(&v->s), v->s.len, &at, &len);
    *ret_lead = wr_value_lead(wr_str_data(&v->s), v->s.len, at);
    (void)wr_value_next_term(wr_str_data(&v->s), v->s.len, &at, &len, &hash);
    return hash;
}

static void add_byte(struct wr_sift_heads *heads, int k, unsigned char c)
{
    heads->low[k][c & 15] |= (uint8_t)(1u << (c >> 4)); /* a letter or digit: below 128 */
}

/* What the term can begin with. */
static void add_head(struct wr_sift_heads *heads, const struct wr_str *s)
{
    uint32_t at = 0, len = 0;
    const char *p = wr_str_data(s);
    (void)wr_longest_term(p, s->len, &at, &len);
    for (int k = 0; k < 3; k++) {
        unsigned char c = (uint32_t)k < len ? wr_term_byte[(unsigned char)p[at + (uint32_t)k]]
                                            : 0; /* in lower case */
        heads->any[k] |= !c;
        if (c)
            add_byte(heads, k, c);
        if (c >= 'a')
            add_byte(heads, k, c & 0xdf);
    }
}

/* The set of a want; made when there is none. */
static struct wr_valueset *set_of(struct wr_valuesets *in, const struct wr_want *w)
{
    for (uint32_t i = 0; i < in->n; i++)
        if (in->at[i].col == w->col && in->at[i].kind == w->kind)
            return &in->at[i];
    struct wr_valueset *list = realloc(in->at, (in->n + 1) * sizeof *list);
    if (!list)
        return NULL;
    in->at = list;
    list[in->n] = (struct wr_valueset){.col = w->col, .kind = w->kind};
    return &list[in->n++];
}

static bool make_slots(struct wr_valueset *c, bool learns)
{
    uint32_t n = 8, bits = 10;
    while (n < 2 * c->nvalues)
        n *= 2;
    while (bits < 16 && UINT32_C(1) << bits < 32 * c->nvalues)
        bits++;
    bits = c->kind == WR_WANT_TERM ? 16 : bits;
    c->slot = calloc(n, sizeof *c->slot);
    c->rules = calloc(c->nvalues + 1u, sizeof *c->rules);
    learns |= c->kind == WR_WANT_TERM;
    c->seen = learns ? calloc(n, sizeof *c->seen) : NULL;
    c->may = (struct wr_sift_bits){calloc(1, (UINT32_C(1) << bits) / 8), 32 - bits};
    c->mask = n - 1;
    return c->slot && c->rules && c->may.bits && (c->seen || !learns);
}

void wr_valuesets_free(struct wr_valuesets *sets)
{
    for (uint32_t i = 0; i < sets->n; i++) {
        free(sets->at[i].slot);
        free(sets->at[i].rules);
        free(sets->at[i].seen);
        free(sets->at[i].may.bits);
    }
    free(sets->at);
    *sets = (struct wr_valuesets){0};
}

/* What is done with each value of the choices. */
enum pass { COUNT, ROOM, LIST };

static bool each_value(struct wr_valuesets *in, const struct wr_choice *choice, uint32_t rule,
                       enum pass pass)
{
    for (uint32_t k = 0; k < choice->n; k++) {
        const struct wr_want *w = &choice->any[k];
        struct wr_valueset *c = set_of(in, w);
        if (!c)
            return false;
        if (pass == COUNT)
            c->nvalues += w->n;
        for (uint32_t v = 0; pass != COUNT && v < w->n; v++) {
            uint32_t lead;
            uint64_t hash = value_hash(w, v, &lead);
            struct wr_wanted_value *at = &c->slot[wr_valueset_slot(c, hash)];
            at->hash = hash;
            lead >>= c->may.shift;
            c->may.bits[lead / 32] |= UINT32_C(1) << (lead % 32);
            if (w->kind == WR_WANT_TERM)
                add_head(&c->heads, &w->values[v]->value.s);
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

/* Every choice of every rule, or (`first`) the first of each way. */
static bool each_choice(struct wr_valuesets *in, struct wr_way *const *ways, uint32_t nrules,
                        bool first, enum pass pass)
{
    for (uint32_t i = 0; i < nrules; i++)
        for (struct wr_way *way = ways[i]; way; way = way->next)
            for (uint32_t k = 0; k < way->n && (!first || k == 0); k++)
                if (!each_value(in, &way->must[k], i, pass))
                    return false;
    return true;
}

bool wr_valuesets_make(struct wr_valuesets *sets, struct wr_way *const *way, uint32_t nrules,
                       bool first)
{
    bool ok = each_choice(sets, way, nrules, first, COUNT);
    for (uint32_t i = 0; ok && i < sets->n; i++)
        ok = make_slots(&sets->at[i], !first);
    if (!ok || !each_choice(sets, way, nrules, first, ROOM))
        return false;
    for (uint32_t i = 0; i < sets->n; i++) {
        struct wr_valueset *c = &sets->at[i];
        for (uint32_t k = 0, at = 0; k <= c->mask; k++) {
            uint32_t n = c->slot[k].n;
            c->slot[k].first = at;
            at += n;
            c->slot[k].n = n ? UINT32_MAX : 0; /* filled anew below, the value stays taken */
        }
    }
    return each_choice(sets, way, nrules, first, LIST);
}

uint64_t wr_valuesets_cost(const struct wr_valuesets *sets, const struct wr_choice *choice)
{
    uint64_t seen = 0, shared = 0;
    for (uint32_t k = 0; k < choice->n; k++) {
        const struct wr_valueset *c = sets->at;
        while (c->col != choice->any[k].col || c->kind != choice->any[k].kind)
            c++;
        for (uint32_t v = 0; v < choice->any[k].n; v++) {
            uint32_t lead, at = wr_valueset_slot(c, value_hash(&choice->any[k], v, &lead));
            seen += c->seen[at];
            shared += c->slot[at].n;
        }
    }
    return seen << 32 | (shared < UINT32_MAX ? shared : UINT32_MAX);
}
