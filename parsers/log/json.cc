/* Text -> structure -> values.
 *
 *     {"a": "x\n", "b":[1, 20]}          text
 *     ^^  ^ ^    ^ ^  ^^^^ ^  ^^         marks, by simdjson's first stage: 250 ns for 950 bytes
 *
 * A text of the shape of one before (shape.h) needs its scalars checked, nothing else, and its marks are known from theirs.
 * Otherwise walk() goes over simdjson's marks once: an object's key has a colon behind it, a value a comma or its
 * bracket, a number or a word is well-formed, and of each bracket it notes which one closes it. 100
 * marks of an event cost it less than simdjson's second stage, which copies strings and converts
 * numbers that hardly anybody reads. */
#include "parsers/log/json.h"
#include "parsers/log/shape.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <simdjson.h>
#include <string>

using namespace simdjson;

struct wr_json {
    std::unique_ptr<internal::dom_parser_implementation> stage;
    dom::parser inner;   /* for what is written as text again */
    char *buf = nullptr; /* the text with simdjson's padding behind it */
    size_t cap = 0;
    char *plain = nullptr; /* of `cap`, too */
    wr_json_link *link = nullptr;
    uint64_t *escaped = nullptr;
    uint32_t *slash = nullptr; /* backslashes that begin an escape */
    size_t nslashes = 0;
    wr_shapes *shapes = nullptr;
    wr_json_doc doc = {};
    std::string text;
    ~wr_json()
    {
        std::free(buf);
        std::free(plain);
        std::free(link);
        std::free(escaped);
        std::free(slash);
        std::free(shapes);
    }
};

static int hex4(const char *p)
{
    int v = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int d = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
        if (d < 0)
            return -1;
        v = v * 16 + d;
    }
    return v;
}

/* Behind the escape at `at`; NULL: it is none. Writes \ufffd over that of half a surrogate pair: Windows event texts hold such
 * halves. */
extern "C" char *wr_json_escape_end(char *at, const char *end, bool *repaired)
{
    if (!at[1] || !std::strchr("\"\\/bfnrtu", at[1]))
        return nullptr;
    if (at[1] != 'u')
        return at + 2;
    int u = at + 6 > end ? -1 : hex4(at + 2);
    if (u < 0)
        return nullptr;
    bool pair = u >= 0xd800 && u < 0xdc00 && at + 12 <= end && at[6] == '\\' && at[7] == 'u' && (hex4(at + 8) & ~0x3ff) == 0xdc00;
    if (u >= 0xd800 && u <= 0xdfff && !pair) {
        std::memcpy(at + 2, "fffd", 4);
        *repaired = true;
    }
    return at + (pair ? 12 : 6);
}

/* Notes each backslash of the text that begins an escape and stops at the first that begins none;
 * SIZE_MAX: there is none such. */
static size_t check_escapes(wr_json *json, size_t len, bool *ret_fixed)
{
    char *p = json->buf, *end = p + len;
    json->nslashes = 0;
    while (p < end) {
        char *slash = static_cast<char *>(std::memchr(p, '\\', static_cast<size_t>(end - p)));
        if (!slash)
            break;
        json->slash[json->nslashes++] = static_cast<uint32_t>(slash - json->buf);
        p = wr_json_escape_end(slash, end, ret_fixed);
        if (!p)
            return static_cast<size_t>(slash - json->buf);
    }
    return SIZE_MAX;
}

static char *put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        *out++ = static_cast<char>(c);
        return out;
    }
    if (c < 0x800) {
        *out++ = static_cast<char>(0xc0 | c >> 6);
    } else {
        if (c < 0x10000) {
            *out++ = static_cast<char>(0xe0 | c >> 12);
        } else {
            *out++ = static_cast<char>(0xf0 | c >> 18);
            *out++ = static_cast<char>(0x80 | (c >> 12 & 0x3f));
        }
        *out++ = static_cast<char>(0x80 | (c >> 6 & 0x3f));
    }
    *out++ = static_cast<char>(0x80 | (c & 0x3f));
    return out;
}

/* Never longer than with its escapes, so it has its own room at its place. The escapes are valid.
 */
extern "C" const char *wr_json_unescape(const struct wr_json_doc *doc, uint32_t at, size_t *ret_len)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char *p = doc->text + doc->mark[at] + 1, *end = doc->text + doc->mark[at + 1] - 1;
    char *start = doc->plain + doc->mark[at], *out = start;
    while (*end != '"')
        end--;
    while (p < end) {
        const void *slash = std::memchr(p, '\\', static_cast<size_t>(end - p));
        size_t n = static_cast<size_t>((slash ? static_cast<const char *>(slash) : end) - p);
        std::memcpy(out, p, n);
        out += n;
        p += n;
        if (p == end)
            break;
        if (p[1] != 'u') {
            const char *named = std::strchr(from, p[1]);
            *out++ = named ? to[named - from] : p[1];
            p += 2;
            continue;
        }
        uint32_t c = static_cast<uint32_t>(hex4(p + 2));
        p += 6;
        if (c >= 0xd800 && c < 0xdc00) {
            c = 0x10000 + ((c - 0xd800) << 10) + (static_cast<uint32_t>(hex4(p + 2)) - 0xdc00);
            p += 6;
        }
        out = put_utf8(out, c);
    }
    *ret_len = static_cast<size_t>(out - start);
    return start;
}

/* ---- numbers ---- */

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* What may stand behind a number or a word. */
static bool ends_scalar(char c)
{
    return c == ',' || c == '}' || c == ']' || c == ' ' || c == '\n' || c == '\r' || c == '\t' ||
           c == ':' || c == '{' || c == '[';
}

struct number {
    const char *end; /* NULL: malformed */
    size_t digits;
    bool real, exponent;
};

static number scan_number(const char *p)
{
    number n = {nullptr, 0, false, false};
    p += *p == '-';
    const char *from = p;
    while (digit(*p))
        p++;
    n.digits = static_cast<size_t>(p - from);
    if (!n.digits || (*from == '0' && n.digits > 1))
        return n;
    if (*p == '.') {
        from = ++p;
        while (digit(*p))
            p++;
        n.digits += static_cast<size_t>(p - from);
        n.real = true;
        if (p == from)
            return n;
    }
    if ((*p | 0x20) == 'e') {
        p++;
        p += *p == '+' || *p == '-';
        from = p;
        while (digit(*p))
            p++;
        n.real = n.exponent = true;
        if (p == from)
            return n;
    }
    n.end = p;
    return n;
}

/* A number out of range that is too small rather than too large: where its first digit stands says
 * so. */
static bool too_small(const char *p, const char *end)
{
    const char *e = p, *point = nullptr, *first = nullptr;
    for (; e < end && (*e | 0x20) != 'e'; e++) {
        if (*e == '.')
            point = e;
        else if (!first && *e >= '1')
            first = e;
    }
    if (!first)
        return true;
    bool down = e < end && e[1] == '-';
    int64_t power = 0, at = (point ? point : e) - first;
    for (const char *d = e + 1; d < end; d++)
        if (digit(*d) && power < INT32_MAX)
            power = power * 10 + (*d - '0');
    return at + (down ? -power : power) < 0;
}

static bool to_real(const char *p, const char *end, double *ret)
{
    auto r = std::from_chars(p, end, *ret);
    if (r.ec == std::errc::result_out_of_range) {
        *ret = *p == '-' ? -0.0 : 0.0;
        return too_small(p, end);
    }
    return r.ec == std::errc();
}

/* Integers of more digits than 64 bits surely hold. */
static bool to_integer(const char *p, const char *end, struct wr_json_val *v)
{
    v->type = WR_JSON_INT;
    auto r = std::from_chars(p, end, v->i);
    if (r.ec == std::errc::result_out_of_range && *p != '-') {
        r = std::from_chars(p, end, v->u);
        v->type = WR_JSON_UINT;
    }
    return r.ec == std::errc();
}

static bool to_number(const char *p, const number &n, struct wr_json_val *v)
{
    if (!n.real)
        return to_integer(p, n.end, v);
    v->type = WR_JSON_REAL;
    return to_real(p, n.end, &v->r);
}

/* A well-formed number of at most 18 digits and no exponent, in one go. A real is a whole number below 2^53 by a power of ten, both
 * exact: the quotient is rounded once, as it should be. False: it is another. */
static bool short_number(const char *p, struct wr_json_val *v)
{
    static const double tens[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
                                  1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};
    const bool minus = *p == '-';
    const char *from = p += minus, *point = nullptr;
    uint64_t n = 0;
    for (; digit(*p); p++)
        n = n * 10 + static_cast<uint64_t>(*p - '0');
    if (*p == '.')
        for (point = p++; digit(*p); p++)
            n = n * 10 + static_cast<uint64_t>(*p - '0');
    if (p - from > 18 || (*p | 0x20) == 'e')
        return false;
    if (!point) {
        v->type = WR_JSON_INT;
        v->i = minus ? -static_cast<int64_t>(n) : static_cast<int64_t>(n);
        return true;
    }
    if (n > UINT64_C(1) << 53)
        return false;
    v->type = WR_JSON_REAL;
    v->r = static_cast<double>(n) / tens[p - point - 1];
    v->r = minus ? -v->r : v->r;
    return true;
}

static bool number_ok(const char *p, const char *end)
{
    const number n = scan_number(p);
    struct wr_json_val v;
    if (!n.end || (n.end != end && !ends_scalar(*n.end)))
        return false;
    bool sure = n.real ? !n.exponent && n.digits < 300 : n.digits <= 18;
    return sure || to_number(p, n, &v);
}

extern "C" const char *wr_json_number_end(const char *at)
{
    const number n = scan_number(at);
    return n.end && number_ok(at, n.end) ? n.end : nullptr;
}

/* ---- the walk ---- */

static bool scalar_ok(const char *p, const char *end)
{
    size_t n = *p == 'f' ? 5 : 4;
    if (digit(*p) || *p == '-')
        return number_ok(p, end);
    if (std::memcmp(p, *p == 't' ? "true" : *p == 'f' ? "false" : "null", n) != 0)
        return false;
    return p + n == end || (p + n < end && ends_scalar(p[n]));
}

/* Open brackets on the way down. */
struct level {
    uint32_t at, count;
    char close;
};

struct walker {
    const char *text;
    const uint32_t *mark; /* n of them, then the text's end twice, where a 0 stands */
    uint32_t n;
    struct wr_json_link *link;
};

static inline bool key_ok(const walker &w, uint32_t *i)
{
    if (w.text[w.mark[*i]] != '"' || w.text[w.mark[*i + 1]] != ':')
        return false;
    *i += 2;
    return true;
}

/* On LIMIT *ret_at is where. */
static wr_json_result walk(const walker &w, uint32_t *ret_at)
{
    const char *text = w.text;
    const uint32_t *mark = w.mark;
    level stack[WR_JSON_MAX_DEPTH];
    uint32_t depth = 0, i = 0;
    if ((text[mark[0]] == '{' || text[mark[0]] == '[') && text[mark[w.n - 1]] != text[mark[0]] + 2)
        return WR_JSON_BAD;
    for (;;) {
        char c = text[mark[i]];
        if (c == '"') {
            i++; /* of a string it is known that it ends */
        } else if (c != '{' && c != '[') {
            if (!scalar_ok(text + mark[i++], text + mark[w.n]))
                return WR_JSON_BAD;
        } else if (text[mark[i + 1]] == c + 2) {
            w.link[i] = {i + 1, 0};
            i += 2;
        } else {
            *ret_at = mark[i];
            if (++depth == WR_JSON_MAX_DEPTH)
                return WR_JSON_LIMIT;
            stack[depth] = {i++, 0, static_cast<char>(c + 2)};
            if (c == '{' && !key_ok(w, &i))
                return WR_JSON_BAD;
            continue;
        }
        for (c = 0; depth && c != ','; i++) {
            level &l = stack[depth];
            c = text[mark[i]];
            l.count++;
            if (c == ',')
                continue;
            if (c != l.close)
                return WR_JSON_BAD;
            w.link[l.at] = {i, l.count};
            depth--;
        }
        if (!depth)
            return i == w.n ? WR_JSON_OK : WR_JSON_BAD;
        if (stack[depth].close == '}' && !key_ok(w, &i))
            return WR_JSON_BAD;
    }
}

/* Finds the string of each backslash: that before the next mark. */
static void note_escaped(wr_json *json, const uint32_t *mark, uint32_t n)
{
    std::memset(json->escaped, 0, (n / 64 + 1) * sizeof *json->escaped);
    uint32_t i = 0;
    for (size_t k = 0; k < json->nslashes; k++) {
        uint32_t at = json->slash[k];
        if (mark[i] <= at && at < mark[i + 1] && k)
            continue;
        i = static_cast<uint32_t>(std::upper_bound(mark + i, mark + n, at) - mark) - 1;
        json->escaped[i / 64] |= UINT64_C(1) << (i % 64);
    }
}

/* What is known of a valid text whose marks are simdjson's. */
static void note_shape(wr_json *json, const uint32_t *mark, uint32_t n)
{
    const wr_shape *shape = wr_shapes_keep(json->shapes, json->buf, mark, n, json->link);
    note_escaped(json, mark, n);
    const wr_json_link *link = shape ? shape->link : json->link;
    json->doc = {json->buf, mark, link, json->escaped, json->plain, shape ? shape->id : 0, true};
}

/* A text of a shape that is known: its length; 0: it is none. */
static size_t known_shape(wr_json *json, char *text, size_t len, bool whole, bool *ret_repaired)
{
    uint32_t *mark = json->stage->structural_indexes.get();
    wr_shape_text seen;
    const wr_shape *shape = wr_shapes_match(json->shapes, text, len, whole, mark, json->escaped, &seen);
    *ret_repaired = seen.repaired;
    if (!shape || (seen.high && !validate_utf8(text, seen.len)))
        return 0;
    json->doc = {text, mark, shape->link, json->escaped, json->plain, shape->id, seen.tagged};
    return seen.len;
}

/* ---- memory ---- */

template <typename T> static bool grow(T **p, size_t n)
{
    T *more = static_cast<T *>(std::realloc(*p, n * sizeof(T)));
    if (more)
        *p = more;
    return more != nullptr;
}

/* Room for a text of `len` bytes, its marks and what is noted of them. */
static bool room(wr_json *json, size_t len)
{
    size_t need = len + SIMDJSON_PADDING;
    if (need <= json->cap)
        return true;
    size_t cap = need < 16384 ? 16384 : need + need / 2;
    json->cap = 0;
    if (get_active_implementation()->create_dom_parser_implementation(cap, WR_JSON_MAX_DEPTH,
                                                                      json->stage) != SUCCESS)
        return false;
    if (!grow(&json->buf, cap) || !grow(&json->plain, cap) || !grow(&json->link, cap) ||
        !grow(&json->escaped, cap / 64 + 2) || !grow(&json->slash, cap))
        return false;
    if (!json->shapes)
        json->shapes = static_cast<wr_shapes *>(std::calloc(1, sizeof *json->shapes));
    if (!json->shapes)
        return false;
    json->cap = cap;
    return true;
}

extern "C" struct wr_json *wr_json_new(void)
{
    return new (std::nothrow) wr_json;
}

extern "C" void wr_json_free(struct wr_json *json)
{
    delete json;
}

extern "C" size_t wr_json_known(struct wr_json *json, const char *data, size_t len,
                                struct wr_json_val *ret_root)
{
    bool repaired;
    if (!len || !json->cap)
        return 0;
    size_t n = known_shape(json, const_cast<char *>(data), len, false, &repaired);
    if (!n || n > len || n > json->cap) /* `plain` has room for so much */
        return 0;
    wr_json_value_at(&json->doc, 0, ret_root);
    return n;
}

extern "C" enum wr_json_result wr_json_parse(struct wr_json *json, const char *data, size_t len,
                                             struct wr_json_val *ret_root, bool *ret_repaired)
try {
    if (!room(json, len))
        return WR_JSON_NOMEM;
    std::memcpy(json->buf, data, len);
    std::memset(json->buf + len, 0, SIMDJSON_PADDING);
    if (len && known_shape(json, json->buf, len, true, ret_repaired)) {
        wr_json_value_at(&json->doc, 0, ret_root);
        return WR_JSON_OK;
    }
    size_t bad = check_escapes(json, len, ret_repaired);
    if (json->stage->stage1(reinterpret_cast<const uint8_t *>(json->buf), len,
                            stage1_mode::regular) != SUCCESS)
        return WR_JSON_BAD;
    uint32_t n = json->stage->n_structural_indexes, *mark = json->stage->structural_indexes.get(),
             deep = 0;
    mark[n] = mark[n + 1] = static_cast<uint32_t>(len);
    wr_json_result result = walk({json->buf, mark, n, json->link}, &deep);
    if (bad < (result == WR_JSON_LIMIT ? deep : len))
        return WR_JSON_BAD;
    if (result == WR_JSON_OK) {
        note_shape(json, mark, n);
        wr_json_value_at(&json->doc, 0, ret_root);
    }
    return result;
} catch (...) {
    return WR_JSON_NOMEM;
}

extern "C" void wr_json_value_at(const struct wr_json_doc *doc, uint32_t at, struct wr_json_val *v)
{
    const char *p = doc->text + doc->mark[at];
    size_t len;
    v->len = 0;
    switch (*p) {
    case '"':
        v->type = WR_JSON_STR;
        v->s = wr_json_str_at(doc, at, &len);
        v->len = static_cast<uint32_t>(len);
        break;
    case '{':
    case '[':
        v->type = *p == '{' ? WR_JSON_OBJECT : WR_JSON_ARRAY;
        v->len = doc->link[at].count;
        v->node = {doc, at};
        break;
    case 't':
    case 'f':
        v->type = WR_JSON_BOOL;
        v->b = *p == 't';
        break;
    case 'n':
        v->type = WR_JSON_NULL;
        break;
    default:
        if (!short_number(p, v))
            to_number(p, scan_number(p), v);
    }
}

/* simdjson's depth is fixed when its stacks are allocated, so they are made here and grown by size
 * alone. */
static error_code parse_into(dom::parser &parser, const char *buf, size_t len, dom::element *ret)
{
    if (parser.capacity() < len || parser.max_depth() != WR_JSON_MAX_DEPTH) {
        error_code err = parser.allocate(len < 16384 ? 16384 : len + len / 2, WR_JSON_MAX_DEPTH);
        if (err)
            return err;
    }
    return parser.parse(buf, len, false).get(*ret);
}

/* `text` has simdjson's padding behind it. */
static bool minify(struct wr_json *json, const char *text, size_t len, const char **ret,
                   size_t *ret_len)
{
    dom::element root;
    if (parse_into(json->inner, text, len, &root) || (!root.is_object() && !root.is_array()))
        return false;
    json->text = simdjson::minify(root);
    *ret = json->text.data();
    *ret_len = json->text.size();
    return true;
}

extern "C" bool wr_json_text(struct wr_json *json, const struct wr_json_val *value,
                             const char **ret, size_t *ret_len)
try {
    if (value->type != WR_JSON_OBJECT && value->type != WR_JSON_ARRAY)
        return false;
    const wr_json_doc *doc = value->node.doc;
    uint32_t from = doc->mark[value->node.at], to = doc->mark[doc->link[value->node.at].close] + 1;
    return minify(json, doc->text + from, to - from, ret, ret_len);
} catch (...) {
    return false;
}

extern "C" bool wr_json_minify(struct wr_json *json, const char *text, size_t len, const char **ret,
                               size_t *ret_len)
try {
    std::string padded(text, len);
    padded.append(SIMDJSON_PADDING, '\0');
    return minify(json, padded.data(), len, ret, ret_len);
} catch (...) {
    return false;
}
