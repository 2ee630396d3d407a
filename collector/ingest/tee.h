/* `tee:` what arrives on the flow UDP ports is sent on, datagram by datagram, to other collectors.
 *
 * Source    IPv4 to IPv4 with CAP_NET_RAW: the exporter's address and port, through a raw socket.
 * Else this machine's: IPv6, no such right, and loopback sources to other machines (nobody takes
 * those). Lifetime  one of each worker; the config must outlive it. Threads   the worker's, with
 * its lock held; counters are read under the lock. Failure   it never waits: what the kernel does
 * not take at once is dropped and counted. */
#ifndef WR_COLLECTOR_INGEST_TEE_H
#define WR_COLLECTOR_INGEST_TEE_H

#include "base/buf.h"
#include "collector/config/config.h"
#include "collector/io/io.h"

/* Why a datagram was not sent on. */
#define WR_TEE_DROPS(X) X(full) X(too_long) X(unreachable) X(not_permitted) X(other)
enum wr_tee_drop {
#define X(name) WR_TEE_DROP_##name,
    WR_TEE_DROPS(X)
#undef X
        WR_TEE_NDROPS
};

/* Per receiver, datagrams; all u64. */
struct wr_tee_stats {
    uint64_t kept, own; /* sent with the exporter's address; with this machine's */
    uint64_t dropped[WR_TEE_NDROPS];
};

struct wr_tee;

/* *ret_tee is NULL when the config names no receiver. WR_EINVAL: a receiver is one of the own
 * listeners (or WR_EIO, WR_ENOMEM), with a line in `error`. */
enum wr_err wr_tee_new(const struct wr_config *config, struct wr_tee **ret_tee,
                       struct wr_buf *error) WR_MUST_CHECK;
void wr_tee_free(struct wr_tee *tee);
/* 0, or why no exporter's address can be kept (errno of the raw socket; EAFNOSUPPORT: an IPv6
 * receiver). */
int wr_tee_source_lost(const struct wr_tee *tee, uint32_t receiver);
void wr_tee_send(struct wr_tee *tee, const struct wr_dgrams *trains, int n);
const struct wr_tee_stats *wr_tee_stats(const struct wr_tee *tee, uint32_t receiver);

/* IPv4 and UDP header of a datagram, checksums included (RFC 791, RFC 768). `len` at most 65507. */
enum { WR_TEE_HEAD_BYTES = 28 };
void wr_tee_head(uint8_t head[WR_TEE_HEAD_BYTES], const struct sockaddr_in *src,
                 const struct sockaddr_in *dst, const uint8_t *data, uint32_t len);

#endif
