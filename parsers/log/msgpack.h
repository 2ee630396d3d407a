#ifndef WR_PARSERS_LOG_MSGPACK_H
#define WR_PARSERS_LOG_MSGPACK_H

#include "base/buf.h"

/* A bounded reader of msgpack from strangers: no allocation, nothing is trusted that is not there. Source: the
 * MessagePack specification (github.com/msgpack/msgpack, spec.md). */
enum wr_mp_type { WR_MP_NIL, WR_MP_BOOL, WR_MP_INT, WR_MP_UINT, WR_MP_REAL, WR_MP_STR, WR_MP_BIN, WR_MP_EXT, WR_MP_ARRAY, WR_MP_MAP };

struct wr_mp {
    enum wr_mp_type type;
    uint32_t n; /* bytes of `p`; elements of an array, pairs of a map */
    const uint8_t *p; /* STR, BIN, EXT: content, borrowed */
    int8_t ext;
    union {
        bool b;
        int64_t i;
        uint64_t u; /* UINT: only above INT64_MAX */
        double r;
    };
};

/* The head of one value at *at, with the content of texts and extensions; elements of containers follow. Moves *at.
 * 1: there is one; 0: more bytes are needed; -1: no msgpack (the byte c1). */
int wr_mp_next(const uint8_t **at, const uint8_t *end, struct wr_mp *ret);

/* Where a whole value ends in a stream: goes on where it stopped. All zero before the first byte. */
enum { WR_MP_DEPTH = 64 };
struct wr_mp_span {
    size_t at;
    uint32_t depth;
    uint64_t left[WR_MP_DEPTH]; /* values still to come, by depth */
};
/* `data` is the value from its first byte on, `len` what is there. 1: it ends at span->at; 0: more bytes are needed; -1:
 * no msgpack, or nested deeper than WR_MP_DEPTH. */
int wr_mp_span_feed(struct wr_mp_span *span, const uint8_t *data, size_t len);

/* One whole value at *at as JSON: bin as text, keys that are no text as their digits, what JSON lacks (NaN, extensions but
 * EventTime) as null. False: not whole, or nested deeper than WR_MP_DEPTH. */
bool wr_mp_json(const uint8_t **at, const uint8_t *end, struct wr_buf *out);

#endif
