#ifndef WR_PARSERS_LOG_JSON_H
#define WR_PARSERS_LOG_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* JSON documents (RFC 8259), behind C. simdjson finds the structure (brackets, commas, where values
 * begin) and checks UTF-8 and control characters; one walk over that structure checks the grammar,
 * so that the whole text is valid before anything of it is seen. No tree is made: a value is a
 * place in the text, and becomes a string or a number when it is asked for. What nobody asks for
 * costs the walk alone. Input is copied, so it needs no padding; values and strings are borrowed
 * until the next wr_json_parse of the same parser. Nothing throws. One thread. */
struct wr_json;

enum wr_json_result { WR_JSON_OK, WR_JSON_BAD, WR_JSON_LIMIT, WR_JSON_NOMEM };
enum wr_json_type {
    WR_JSON_NULL,
    WR_JSON_BOOL,
    WR_JSON_INT,
    WR_JSON_UINT,
    WR_JSON_REAL,
    WR_JSON_STR,
    WR_JSON_OBJECT,
    WR_JSON_ARRAY
};
enum { WR_JSON_MAX_DEPTH = 64, WR_JSON_ZEROS = 64, WR_JSON_BEHIND = 8192 };

/* UINT: only numbers above INT64_MAX. */
struct wr_json_val {
    enum wr_json_type type;
    uint32_t len; /* bytes of `s`; members of an object or array */
    union {
        bool b;
        int64_t i;
        uint64_t u;
        double r;
        const char *s;
        struct {
            const struct wr_json_doc *doc;
            uint32_t at; /* of its bracket among the marks */
        } node;
    };
};

/* The parsed text. Marks are the places of brackets, colons, commas and the first bytes of values,
 * ascending. */
struct wr_json_doc {
    const char *text;
    const uint32_t *mark;
    const struct wr_json_link *link; /* by mark; of opening brackets only */
    const uint64_t *escaped;         /* bit of a mark: a string with a backslash in it */
    char *plain;                     /* such strings without it, each at its place in the text */
    uint64_t shape; /* the same as that of a text before: the same keys, commas and brackets at the
                       same marks (shape.h); 0: it is not known */
    bool tagged;    /* some string may begin with `<`, as XML does */
};
struct wr_json_link {
    uint32_t close, count; /* mark of the closing bracket; members */
};

struct wr_json_iter {
    const struct wr_json_doc *doc;
    uint32_t at, end; /* marks: of the next member, of the closing bracket */
    bool object;
};

struct wr_json *wr_json_new(void); /* NULL: out of memory */
void wr_json_free(struct wr_json *json);

/* Parses one document. BAD: not JSON, bytes behind it, a number outside double and 64 bits. LIMIT:
 * nested deeper than WR_JSON_MAX_DEPTH. Escapes of half a surrogate pair read as U+FFFD;
 * `*ret_repaired` says so. */
enum wr_json_result wr_json_parse(struct wr_json *json, const char *data, size_t len,
                                  struct wr_json_val *ret_root, bool *ret_repaired);

/* The object or array that begins at `data`, when but for its values it is byte for byte one of the
 * last that were parsed: its length, whatever follows, and the same as from wr_json_parse. 0: it is
 * not; wr_json_parse says what it is. Either way what was parsed before is gone. The input is
 * neither copied nor changed: values are borrowed from it. WR_JSON_ZEROS stand behind data + len, or a line end is before it
 * and WR_JSON_BEHIND bytes of whatever may be read there. */
size_t wr_json_known(struct wr_json *json, const char *data, size_t len,
                     struct wr_json_val *ret_root);

/* The string at a mark without its escapes; for wr_json_str_at. */
const char *wr_json_unescape(const struct wr_json_doc *doc, uint32_t at, size_t *ret_len);
/* The value at a mark. */
void wr_json_value_at(const struct wr_json_doc *doc, uint32_t at, struct wr_json_val *ret);

/* The string at a mark: from behind its quote to the last quote before the next mark. */
static inline const char *wr_json_str_at(const struct wr_json_doc *doc, uint32_t at,
                                         size_t *ret_len)
{
    if (doc->escaped[at / 64] >> (at % 64) & 1)
        return wr_json_unescape(doc, at, ret_len);
    uint32_t from = doc->mark[at] + 1, end = doc->mark[at + 1] - 1;
    while (doc->text[end] != '"')
        end--;
    *ret_len = end - from;
    return doc->text + from;
}

static inline bool wr_json_null_at(const struct wr_json_doc *doc, uint32_t at)
{
    return doc->text[doc->mark[at]] == 'n';
}

/* Members of an object or an array, in the order of the text. */
static inline struct wr_json_iter wr_json_begin(const struct wr_json_val *container)
{
    const struct wr_json_doc *doc = container->node.doc;
    uint32_t at = container->node.at;
    struct wr_json_iter iter = {doc, at + 1, doc->link[at].close,
                                container->type == WR_JSON_OBJECT};
    return iter;
}

/* The next member: its key (NULL, 0 in an array) and the mark of its value, for wr_json_value_at.
 */
static inline bool wr_json_iter_key(struct wr_json_iter *iter, const char **ret_key,
                                    size_t *ret_key_len, uint32_t *ret_at)
{
    const struct wr_json_doc *doc = iter->doc;
    uint32_t at = iter->at;
    if (at >= iter->end)
        return false;
    *ret_key = NULL;
    *ret_key_len = 0;
    if (iter->object) {
        *ret_key = wr_json_str_at(doc, at, ret_key_len);
        at += 2;
    }
    *ret_at = at;
    char c = doc->text[doc->mark[at]];
    iter->at = (c == '{' || c == '[' ? doc->link[at].close : at) + 2;
    return true;
}

static inline bool wr_json_iter_next(struct wr_json_iter *iter, const char **ret_key,
                                     size_t *ret_key_len, struct wr_json_val *ret_value)
{
    uint32_t at;
    if (!wr_json_iter_key(iter, ret_key, ret_key_len, &at))
        return false;
    wr_json_value_at(iter->doc, at, ret_value);
    return true;
}

/* An object or array as compact JSON text, borrowed until the next wr_json_text or wr_json_minify;
 * false: out of memory, or a scalar. */
bool wr_json_text(struct wr_json *json, const struct wr_json_val *value, const char **ret,
                  size_t *ret_len);
/* The same for JSON text that stands inside a string; also false when it is no object or array.
 * Does not disturb the parsed document. */
bool wr_json_minify(struct wr_json *json, const char *text, size_t len, const char **ret,
                    size_t *ret_len);

#ifdef __cplusplus
}
#endif

#endif
