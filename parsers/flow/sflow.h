#ifndef WR_PARSERS_FLOW_SFLOW_H
#define WR_PARSERS_FLOW_SFLOW_H

#include "base/buf.h"
#include "base/wire.h"

/* sflow.c, sflow_counters.c, sflow_text.c: nothing here keeps what it is given. */

/* A format and a body of the stated length; false past the end. */
static inline bool wr_sflow_block(struct wr_wire *w, uint32_t *ret_format, struct wr_wire *ret_body)
{
    *ret_format = wr_wire_u32(w);
    uint32_t len = wr_wire_u32(w);
    const uint8_t *body = wr_wire_take(w, len);
    if (!body || w->err)
        return false;
    *ret_body = wr_wire_init(body, len);
    return true;
}

/* XDR: a length, octets, padding to 4. */
static inline const uint8_t *wr_sflow_string(struct wr_wire *w, uint32_t *ret_len)
{
    *ret_len = wr_wire_u32(w);
    const uint8_t *p = wr_wire_take(w, *ret_len);
    wr_wire_take(w, (4 - *ret_len % 4) % 4);
    return p;
}

/* The members of an object, each kind of counters once; false: the sample has none that is known. */
bool wr_sflow_counters(struct wr_buf *out, struct wr_wire w, bool expanded);

/* A sampled header: link layer (`raw`: it has none) and IP, as far as its `len` octets go. */
void wr_sflow_frame(struct wr_buf *out, const uint8_t *frame, uint32_t len, bool raw);

/* Why a packet was dropped, by sflow.org/sflow_drops.txt; NULL: a reason without a name. */
const char *wr_sflow_drop(uint32_t reason);

#endif
