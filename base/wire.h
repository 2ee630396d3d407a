#ifndef WR_BASE_WIRE_H
#define WR_BASE_WIRE_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Read cursor over one packet, big-endian. The first out-of-range read sets `err` and empties the
 * cursor; every later read returns 0. Callers read a whole record, then test `err` once. */
struct wr_wire {
    const uint8_t *at;
    const uint8_t *end;
    enum wr_err err;
};

static inline struct wr_wire wr_wire_init(const uint8_t *data, size_t len)
{
    return (struct wr_wire){.at = data, .end = data + len, .err = WR_OK};
}

static inline size_t wr_wire_left(const struct wr_wire *w)
{
    return (size_t)(w->end - w->at);
}

/* Borrowed: `n` bytes of the packet, or NULL past its end. */
static inline const uint8_t *wr_wire_take(struct wr_wire *w, size_t n)
{
    if (wr_wire_left(w) < n) {
        w->err = WR_ETRUNC;
        w->at = w->end;
        return NULL;
    }
    const uint8_t *p = w->at;
    w->at += n;
    return p;
}

/* Big-endian unsigned integer of 1 to 8 bytes at `p`. */
static inline uint64_t wr_be(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

/* The same for lengths known when compiled: one load and a swap. */
static inline uint16_t wr_be16(const uint8_t *p)
{
    uint16_t x;
    memcpy(&x, p, sizeof x);
    return __builtin_bswap16(x);
}

static inline uint32_t wr_be32(const uint8_t *p)
{
    uint32_t x;
    memcpy(&x, p, sizeof x);
    return __builtin_bswap32(x);
}

static inline uint64_t wr_be64(const uint8_t *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return __builtin_bswap64(x);
}

static inline uint8_t wr_wire_u8(struct wr_wire *w)
{
    const uint8_t *p = wr_wire_take(w, 1);
    return p ? p[0] : 0;
}

static inline uint16_t wr_wire_u16(struct wr_wire *w)
{
    const uint8_t *p = wr_wire_take(w, 2);
    return (uint16_t)(p ? wr_be16(p) : 0);
}

static inline uint32_t wr_wire_u32(struct wr_wire *w)
{
    const uint8_t *p = wr_wire_take(w, 4);
    return (uint32_t)(p ? wr_be32(p) : 0);
}

static inline uint64_t wr_wire_u64(struct wr_wire *w)
{
    const uint8_t *p = wr_wire_take(w, 8);
    return p ? wr_be64(p) : 0;
}

#endif
