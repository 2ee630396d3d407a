#include "parsers/log/shape.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* ---- bytes: 16 at a time where the processor has them, all within the zeros behind the text ----
 */

#ifdef __SSE2__
static inline bool same_bytes(const char *a, const char *b, uint32_t len)
{
    for (; len > 16; a += 16, b += 16, len -= 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)a), y = _mm_loadu_si128((const __m128i *)b);
        if (_mm_movemask_epi8(_mm_cmpeq_epi8(x, y)) != 0xffff)
            return false;
    }
    __m128i x = _mm_loadu_si128((const __m128i *)a), y = _mm_loadu_si128((const __m128i *)b);
    unsigned other = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(x, y)) ^ 0xffff;
    return (other & ((1u << len) - 1)) == 0;
}

/* The first quote, backslash or control character. */
static inline char *plain_end(char *p, unsigned *high)
{
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'),
                  control = _mm_set1_epi8(0x1f);
    for (;; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)p);
        __m128i stop =
            _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)),
                         _mm_cmpeq_epi8(_mm_min_epu8(v, control), v));
        *high |= (unsigned)_mm_movemask_epi8(v);
        unsigned at = (unsigned)_mm_movemask_epi8(stop);
        if (at)
            return p + __builtin_ctz(at);
    }
}

/* How many digits stand there; 16: as many or more. */
static inline unsigned digits_at(const char *p)
{
    __m128i v = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)p), _mm_set1_epi8('0'));
    unsigned is = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(9)), v));
    return (unsigned)__builtin_ctz(~is);
}

static inline void put_marks(uint32_t *mark, const uint32_t *offset, uint32_t n, uint32_t base)
{
    const __m128i from = _mm_set1_epi32((int)base);
    for (uint32_t i = 0; i < n; i += 4)
        _mm_storeu_si128((__m128i *)(mark + i),
                         _mm_add_epi32(_mm_loadu_si128((const __m128i *)(offset + i)), from));
}
#else
static inline bool same_bytes(const char *a, const char *b, uint32_t len)
{
    return memcmp(a, b, len) == 0;
}

static inline char *plain_end(char *p, unsigned *high)
{
    for (; *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20; p++)
        *high |= (unsigned char)*p & 0x80;
    return p;
}

static inline unsigned digits_at(const char *p)
{
    unsigned n = 0;
    while (n < 16 && p[n] >= '0' && p[n] <= '9')
        n++;
    return n;
}

static inline void put_marks(uint32_t *mark, const uint32_t *offset, uint32_t n, uint32_t base)
{
    for (uint32_t i = 0; i < n; i++)
        mark[i] = offset[i] + base;
}
#endif

/* ---- scalars ---- */

/* Behind a number. What is not short and plain is looked at digit by digit. */
static inline const char *number_end(const char *at)
{
    const char *p = at + (*at == '-');
    unsigned whole = digits_at(p), part = 0;
    bool plain = whole && whole < 16 && (*p != '0' || whole == 1);
    p += whole;
    if (plain && *p == '.') {
        part = digits_at(++p);
        plain = part && part < 16;
        p += part;
    }
    return plain && (*p | 0x20) != 'e' ? p : wr_json_number_end(at);
}

static inline const char *word_end(const char *p)
{
    uint32_t w;
    memcpy(&w, p, sizeof w);
    if (!memcmp(&w, "true", sizeof w) || !memcmp(&w, "null", sizeof w))
        return p + 4;
    return !memcmp(&w, "fals", sizeof w) && p[4] == 'e' ? p + 5 : NULL;
}

/* A text on its way through the pieces of a shape. */
struct matching {
    char *text;
    size_t len;
    uint32_t *mark;
    uint64_t *escaped;
    unsigned high, tagged;
    bool whole, repaired;
    uint32_t begin[WR_SHAPE_PIECES + 1]; /* of each piece that is met or comes next */
};

/* `\ud83d`: half of a pair, or the first half of one. */
static bool is_surrogate(const char *p)
{
    return p[1] == 'u' && (p[2] | 0x20) == 'd' && p[3] >= '8';
}

/* Behind the string at mark `mark`, whose first escape is at `p`; NULL: it is none. */
static const char *escaped_end(struct matching *m, char *p, uint32_t mark)
{
    m->escaped[mark / 64] |= UINT64_C(1) << (mark % 64);
    while (*p == '\\') {
        if (!m->whole && is_surrogate(p))
            return NULL;
        p = wr_json_escape_end(p, m->text + m->len, &m->repaired);
        if (!p)
            return NULL;
        p = plain_end(p, &m->high);
    }
    return *p == '"' ? p + 1 : NULL;
}

/* Goes on at piece `k`, whose begin is known. Returns the pieces met, each with the scalar behind
 * it. */
static uint32_t meet(const struct wr_shape *s, uint32_t k, struct matching *m)
{
    char *const text = m->text;
    uint32_t *const mark = m->mark, last_piece = s->npieces - 1;
    unsigned high = 0, tagged = 0;
    const char *end = text + m->begin[k];
    for (;; k++) {
        const struct wr_shape_piece *piece = &s->piece[k];
        char *p = text + (end - text);
        if (!same_bytes(p, s->bytes + piece->at, piece->len))
            break;
        put_marks(mark + piece->mark, s->offset + piece->mark, piece->nmarks, (uint32_t)(p - text));
        p += piece->len;
        if (k == last_piece) {
            m->begin[k + 1] = (uint32_t)(p - text);
            k += !m->whole || p == text + m->len;
            break;
        }
        if (p >= text + m->len) /* what stands behind is not of this text */
            break;
        if (*p == '"') {
            char *stop = plain_end(p + 1, &high);
            tagged |= p[1] == '<' || p[1] == '\\';
            end = *stop == '"' ? stop + 1 : escaped_end(m, stop, piece[1].mark - 1u);
        } else {
            end = *p == '-' || (*p >= '0' && *p <= '9') ? number_end(p) : word_end(p);
        }
        if (!end)
            break;
        m->begin[k + 1] = (uint32_t)(end - text);
    }
    m->high |= high;
    m->tagged |= tagged;
    return k;
}

const struct wr_shape *wr_shapes_match(struct wr_shapes *shapes, char *text, size_t len, bool whole,
                                       uint32_t *mark, uint64_t *escaped, struct wr_shape_text *ret)
{
    struct matching m; /* `begin` as far as it is met */
    m.text = text;
    m.len = len;
    m.whole = whole;
    m.mark = mark;
    m.escaped = escaped;
    m.high = m.tagged = m.begin[0] = 0;
    m.repaired = false;
    uint32_t tried = 0, i = shapes->last, k = 0;
    const struct wr_shape *found = NULL;
    memset(escaped, 0, (WR_SHAPE_MARKS / 64 + 1) * sizeof *escaped);
    while (!found && i < WR_SHAPES && shapes->at[i].id) {
        struct wr_shape *s = &shapes->at[i];
        k = meet(s, k, &m);
        if (k == s->npieces) {
            mark[s->n] = mark[s->n + 1] = m.begin[k];
            s->used = ++shapes->clock;
            shapes->last = i;
            found = s;
        }
        tried |= 1u << i;
        for (i = 0;
             !found && i < WR_SHAPES && (tried >> i & 1 || !shapes->at[i].id || s->common[i] != k);)
            i++;
    }
    *ret = (struct wr_shape_text){
        .len = found ? mark[found->n] : 0, .high = m.high != 0, .repaired = m.repaired, .tagged = m.tagged != 0};
    return found;
}

/* ---- keeping ---- */

/* A piece from text[from] to text[to], of marks [first, behind). False: it does not fit. */
static bool keep_piece(struct wr_shape *s, const char *text, uint32_t from, uint32_t to,
                       const uint32_t *mark, uint32_t first, uint32_t behind)
{
    const struct wr_shape_piece *before = s->npieces ? &s->piece[s->npieces - 1] : NULL;
    uint32_t at = before ? before->at + before->len : 0u, len = to - from;
    if (len > WR_SHAPE_BYTES - at || s->npieces == WR_SHAPE_PIECES ||
        memchr(text + from, '\\', len))
        return false;
    memcpy(s->bytes + at, text + from, len);
    s->piece[s->npieces++] = (struct wr_shape_piece){(uint16_t)at, (uint16_t)len, (uint16_t)first,
                                                     (uint16_t)(behind - first)};
    for (uint32_t i = first; i < behind; i++)
        s->offset[i] = mark[i] - from;
    return true;
}

static bool is_scalar(const char *text, const uint32_t *mark, uint32_t i, uint32_t n)
{
    char c = text[mark[i]];
    if (c == '"')
        return i + 1 == n || text[mark[i + 1]] != ':'; /* else a key */
    return c != ',' && c != ':' && c != '{' && c != '}' && c != '[' && c != ']';
}

/* Behind the scalar before mark `next`. */
static uint32_t scalar_end(const char *text, uint32_t next)
{
    while (text[next - 1] == ' ' || text[next - 1] == '\t' || text[next - 1] == '\r' ||
           text[next - 1] == '\n')
        next--;
    return next;
}

static bool make(struct wr_shape *s, const char *text, const uint32_t *mark, uint32_t n,
                 const struct wr_json_link *link)
{
    uint32_t from = 0, first = 0;
    s->n = n;
    s->npieces = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (text[mark[i]] == '{' || text[mark[i]] == '[')
            s->link[i] = link[i];
        if (!is_scalar(text, mark, i, n))
            continue;
        if (!keep_piece(s, text, from, mark[i], mark, first, i + 1))
            return false;
        from = scalar_end(text, mark[i + 1]);
        first = i + 1;
    }
    return keep_piece(s, text, from, mark[n], mark, first, n);
}

static uint16_t common_pieces(const struct wr_shape *a, const struct wr_shape *b)
{
    uint32_t k = 0, most = a->npieces < b->npieces ? a->npieces : b->npieces;
    for (; k < most; k++) {
        const struct wr_shape_piece *p = &a->piece[k], *q = &b->piece[k];
        if (p->len != q->len || memcmp(a->bytes + p->at, b->bytes + q->at, p->len) != 0)
            break;
    }
    return (uint16_t)k;
}

static uint64_t last; /* id given out, over all parsers: what others keep by it is never mixed up */

const struct wr_shape *wr_shapes_keep(struct wr_shapes *shapes, const char *text,
                                      const uint32_t *mark, uint32_t n,
                                      const struct wr_json_link *link)
{
    if (n > WR_SHAPE_MARKS || (text[mark[0]] != '{' && text[mark[0]] != '['))
        return NULL;
    uint32_t at = 0;
    for (uint32_t i = 1; i < WR_SHAPES; i++)
        at = shapes->at[i].used < shapes->at[at].used ? i : at;
    struct wr_shape *s = &shapes->at[at];
    s->id = s->used = 0;
    if (!make(s, text, mark, n, link))
        return NULL;
    for (uint32_t i = 0; i < WR_SHAPES; i++)
        s->common[i] = shapes->at[i].common[at] =
            shapes->at[i].id ? common_pieces(s, &shapes->at[i]) : 0;
    s->id = __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
    s->used = ++shapes->clock;
    shapes->last = at;
    return s;
}
