#ifndef WR_BASE_BUF_H
#define WR_BASE_BUF_H

#include "base/err.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Growable byte buffer on the heap. The first failed allocation sets `err`; later appends do
 * nothing, so a writer checks once at the end. `data` may move at every append. */
struct wr_buf {
    char *data;
    size_t len;
    size_t cap;
    enum wr_err err;
};

void wr_buf_fini(struct wr_buf *buf); /* frees; the buffer is empty and usable again */
void wr_buf_reset(struct wr_buf *buf); /* empties, keeps the memory */
/* Room for `n` more bytes at the end, or NULL; the caller adds to `len` what it wrote. */
char *wr_buf_room(struct wr_buf *buf, size_t n);
void wr_buf_add(struct wr_buf *buf, const void *bytes, size_t n);
void wr_buf_str(struct wr_buf *buf, const char *text);
void wr_buf_char(struct wr_buf *buf, char c);
void wr_buf_fmt(struct wr_buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void wr_buf_vfmt(struct wr_buf *buf, const char *fmt, va_list ap);
void wr_buf_i64(struct wr_buf *buf, int64_t v);

/* JSON text (RFC 8259). Strings: quotes, backslash, controls, DEL, U+0080..9f and U+2028/9 escaped,
 * invalid UTF-8 becomes U+FFFD, so the result is safe on a terminal too. */
void wr_json_str(struct wr_buf *buf, const char *text, size_t len);
void wr_json_cstr(struct wr_buf *buf, const char *text);
/* JSON text that is made already, as it is but for characters that a terminal obeys (DEL, U+0080..9f) or that end a line:
 * escaped, blanks for line ends between values. */
void wr_json_raw(struct wr_buf *buf, const char *json, size_t len);
/* "key": with a leading comma unless the last byte is an opening bracket. */
void wr_json_key(struct wr_buf *buf, const char *key);
/* Shortest text that reads back the same; NaN and infinities as the strings "NaN", "Infinity",
 * "-Infinity". */
void wr_json_real(struct wr_buf *buf, double v);

/* Text for people: as given, with control characters (C0 but LF, DEL, C1) and invalid UTF-8 shown as
 * \xNN, so that nothing from a message reaches a terminal unescaped. */
void wr_buf_printable(struct wr_buf *buf, const char *text, size_t len);

/* Little-endian integers and length-prefixed bytes, for state on disk (log, snapshot, packed rows). */
void wr_buf_u8(struct wr_buf *buf, uint8_t v);
void wr_buf_u16(struct wr_buf *buf, uint16_t v);
void wr_buf_u32(struct wr_buf *buf, uint32_t v);
void wr_buf_u64(struct wr_buf *buf, uint64_t v);
void wr_buf_blob(struct wr_buf *buf, const void *bytes, uint32_t n); /* u32 length, bytes */

/* Reads the same back; the first short read sets `err`, later reads return 0. */
struct wr_rd {
    const uint8_t *at;
    const uint8_t *end;
    enum wr_err err;
};
struct wr_rd wr_rd_init(const void *data, size_t len);
const uint8_t *wr_rd_take(struct wr_rd *rd, size_t n); /* borrowed; NULL past the end */
uint8_t wr_rd_u8(struct wr_rd *rd);
uint16_t wr_rd_u16(struct wr_rd *rd);
uint32_t wr_rd_u32(struct wr_rd *rd);
uint64_t wr_rd_u64(struct wr_rd *rd);
const uint8_t *wr_rd_blob(struct wr_rd *rd, uint32_t *ret_n);

#endif
