#ifndef WR_PARSERS_LOG_JSON_H
#define WR_PARSERS_LOG_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* JSON documents (RFC 8259) by simdjson, behind C. The whole text is validated before anything of it is seen.
 * Input is copied, so it needs no padding; values and strings are borrowed until the next wr_json_parse of
 * the same parser. Nothing throws. One thread. */
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
enum { WR_JSON_MAX_DEPTH = 64 };

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
        uintptr_t node[2];
    };
};

struct wr_json_iter {
    uintptr_t at[2], end[2];
    bool object;
};

struct wr_json *wr_json_new(void); /* NULL: out of memory */
void wr_json_free(struct wr_json *json);

/* Parses one document. BAD: not JSON, bytes behind it, a number outside double and 64 bits. LIMIT: nested
 * deeper than WR_JSON_MAX_DEPTH. Escapes of half a surrogate pair read as U+FFFD; `*ret_repaired` says so. */
enum wr_json_result wr_json_parse(struct wr_json *json, const char *data, size_t len,
                                  struct wr_json_val *ret_root, bool *ret_repaired);

/* Members of an object or an array, in the order of the text. `key` is NULL-length for an array. */
struct wr_json_iter wr_json_begin(const struct wr_json_val *container);
bool wr_json_iter_next(struct wr_json_iter *iter, const char **ret_key, size_t *ret_key_len,
                  struct wr_json_val *ret_value);

/* An object or array as compact JSON text, borrowed until the next wr_json_text or wr_json_minify; false:
 * out of memory, or a scalar. */
bool wr_json_text(struct wr_json *json, const struct wr_json_val *value, const char **ret, size_t *ret_len);
/* The same for JSON text that stands inside a string; also false when it is no object or array. Does not
 * disturb the parsed document. */
bool wr_json_minify(struct wr_json *json, const char *text, size_t len, const char **ret, size_t *ret_len);

#ifdef __cplusplus
}
#endif

#endif
