#ifndef WR_BASE_STR_H
#define WR_BASE_STR_H

#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* A string value: 16 bytes, immutable, length-carried (NUL bytes are data). Up to 12 bytes live in
 * the value itself; longer ones are borrowed from memory that the holder's lifetime covers (a batch's
 * arena, a rule's literals). Bytes past `len` of a short one are zero, so that two short strings
 * are equal when their 16 bytes are. All zero is "". */
struct wr_str {
    uint32_t len;
    union {
        char inl[12];
        struct {
            char prefix[4]; /* first 4 bytes: most comparisons end here */
            char ptr_bytes[8];
        };
    };
};

enum { WR_STR_INLINE = 12 };

_Static_assert(sizeof(struct wr_str) == 16, "a string value is 16 bytes");

/* Borrowed: valid while *s itself and the memory behind it live. Not NUL-terminated. */
static inline const char *wr_str_data(const struct wr_str *s)
{
    if (s->len <= WR_STR_INLINE)
        return s->inl;
    const char *p;
    memcpy(&p, s->ptr_bytes, sizeof p);
    return p;
}

/* A value over `text`; for more than 12 bytes it borrows `text`. */
static inline struct wr_str wr_str_borrow(const char *text, size_t len)
{
    struct wr_str s = {.len = (uint32_t)len};
    if (len <= WR_STR_INLINE) {
        if (len)
            memcpy(s.inl, text, len);
    } else {
        memcpy(s.prefix, text, 4);
        memcpy(s.ptr_bytes, &text, sizeof text);
    }
    return s;
}

#define WR_STR_LIT(text) wr_str_borrow("" text, sizeof(text) - 1)

/* A value whose bytes are copied into `arena`; false when out of memory. */
bool wr_str_copy(struct wr_arena *arena, const char *text, size_t len,
                 struct wr_str *ret_s) WR_MUST_CHECK;

bool wr_str_eq(const struct wr_str *a, const struct wr_str *b);
/* Bytewise order, shorter first. */
int wr_str_cmp(const struct wr_str *a, const struct wr_str *b);
/* Equality that ignores the case of ASCII letters, as Kusto's =~ and in~. */
bool wr_str_eq_nocase(const struct wr_str *a, const struct wr_str *b);

static inline char wr_ascii_lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

/* True when `text` is well-formed UTF-8 (shortest form, no surrogates, <= U+10FFFF). */
bool wr_utf8_valid(const char *text, size_t len);
/* Copies `text` with every invalid byte replaced by U+FFFD. `out` holds at least 3 * len bytes.
 * Returns the bytes written; *ret_replaced counts the replacements. */
size_t wr_utf8_repair(const char *text, size_t len, char *out, size_t *ret_replaced);

#endif
