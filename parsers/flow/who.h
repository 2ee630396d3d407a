#ifndef WR_PARSERS_FLOW_WHO_H
#define WR_PARSERS_FLOW_WHO_H

#include "base/buf.h"

#include <stdbool.h>

/* What a flow record says beyond addresses and counters: who did it (process, account, host) and what it was.
 * A list of (kind u8, text blob), each kind at most once, kept beside the flow; few records have one. Rings, log
 * and state carry the bytes as they are, so kinds keep their numbers. */
enum wr_who_kind {
    WR_WHO_DEVICE_NAME,
    WR_WHO_DEVICE_ID,
    WR_WHO_PROCESS, /* file name without its folder */
    WR_WHO_PROCESS_PATH,
    WR_WHO_PROCESS_COMMAND,
    WR_WHO_PROCESS_ID, /* decimal */
    WR_WHO_PROCESS_SHA256,
    WR_WHO_PARENT,
    WR_WHO_PARENT_ID,
    WR_WHO_PROCESS_DOMAIN, /* of the account that the process runs under */
    WR_WHO_PROCESS_ACCOUNT,
    WR_WHO_PROCESS_SID,
    WR_WHO_LAST_SIDED = WR_WHO_PROCESS_SID, /* up to here: about the source's end, not the destination's */
    WR_WHO_USER_DOMAIN,
    WR_WHO_USER, /* whoever the exporter ties to the flow */
    WR_WHO_URL,
    WR_WHO_APPLICATION,
    WR_WHO_IN_INTERFACE, /* names */
    WR_WHO_OUT_INTERFACE,
    WR_WHO_IN_VRF,
    WR_WHO_OUT_VRF,
    WR_WHO_FIELDS, /* the whole record as a JSON object */
    WR_WHO_NAT,    /* no text: a struct wr_nat (nat.h) as it is in memory */
    WR_WHO_NKINDS
};

enum { WR_WHO_MAX_TEXT = 2048, WR_WHO_MAX_FIELDS = 60000 /* octets, of FIELDS */ };

static inline uint32_t wr_who_bit(enum wr_who_kind kind)
{
    return UINT32_C(1) << kind;
}

struct wr_who {
    const uint8_t *at;
    uint32_t len; /* 0: nothing is said */
};

/* The next (kind, text) of the list, borrowed; false at its end and at anything that is none. */
static inline bool wr_who_next(struct wr_who *who, enum wr_who_kind *ret_kind, const char **ret_text,
                               uint32_t *ret_len)
{
    struct wr_rd rd = wr_rd_init(who->at, who->len);
    uint8_t kind = wr_rd_u8(&rd);
    uint32_t n;
    const uint8_t *text = wr_rd_blob(&rd, &n);
    if (!who->len || rd.err || kind >= WR_WHO_NKINDS)
        return false;
    *ret_kind = (enum wr_who_kind)kind;
    *ret_text = (const char *)text;
    *ret_len = n;
    who->len = (uint32_t)(rd.end - rd.at);
    who->at = rd.at;
    return true;
}

static inline void wr_who_add(struct wr_buf *out, enum wr_who_kind kind, const char *text, uint32_t len)
{
    wr_buf_u8(out, (uint8_t)kind);
    wr_buf_blob(out, text, len);
}

#endif
