#include "parsers/log/shape.h"

#include "parsers/log/keys.h"

const struct wr_shape *wr_shapes_find(const struct wr_shapes *shapes, const char *text,
                                      const uint32_t *mark, uint32_t n)
{
    const struct wr_shape *s = &shapes->at[n % WR_SHAPES];
    if (!s->id || s->n != n)
        return NULL;
    for (uint32_t i = 0; i < s->nkeys; i++) {
        const struct wr_shape_key *k = &s->key[i];
        uint32_t from = mark[k->mark];
        if (mark[k->mark + 1] - from + 1 != k->len ||
            !wr_keys_same(text + from, s->names + k->at, k->len))
            return NULL;
    }
    unsigned other = 0;
    for (uint32_t i = 0; i < s->nsigns; i++)
        other |= (unsigned)(text[mark[s->sign[i]]] ^ s->is[i]);
    return other ? NULL : s;
}

static bool keep_key(struct wr_shape *s, const char *text, const uint32_t *mark, uint32_t i,
                     uint32_t *used)
{
    uint32_t len = mark[i + 1] - mark[i] + 1;
    if (s->nkeys == sizeof s->key / sizeof *s->key || len > WR_SHAPE_NAMES - *used)
        return false;
    s->key[s->nkeys++] = (struct wr_shape_key){(uint16_t)i, (uint16_t)len, *used};
    memcpy(s->names + *used, text + mark[i], len);
    *used += len;
    return true;
}

static uint64_t last; /* id given out, over all parsers: what others keep by it is never mixed up */

const struct wr_shape *wr_shapes_keep(struct wr_shapes *shapes, const char *text,
                                      const uint32_t *mark, uint32_t n,
                                      const struct wr_json_link *link)
{
    struct wr_shape *s = &shapes->at[n % WR_SHAPES];
    uint32_t used = 0;
    if (n > WR_SHAPE_MARKS)
        return NULL;
    s->id = 0;
    s->n = n;
    s->nkeys = s->nsigns = s->nvalues = 0;
    for (uint32_t i = 0; i < n; i++) {
        char c = text[mark[i]];
        if (c == '"' && i + 1 < n && text[mark[i + 1]] == ':') {
            if (!keep_key(s, text, mark, i++, &used)) /* with its colon */
                return NULL;
        } else if (c == ',' || c == '{' || c == '}' || c == '[' || c == ']') {
            s->is[s->nsigns] = c;
            s->sign[s->nsigns++] = (uint16_t)i;
        } else {
            s->value[s->nvalues++] = (uint16_t)i;
        }
        if (c == '{' || c == '[')
            s->link[i] = link[i];
    }
    s->id = __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
    return s;
}
