/* The bytes of Fluent Forward v1: what a client sends and the three answers it gets.
 *
 *   S>C ["HELO", {nonce, auth, keepalive}]
 *   C>S ["PING", self, salt, hex(salt self nonce key), user, hex(auth user password)]
 *   S>C ["PONG", ok, reason, server, hex(salt server nonce key)]         hex = SHA-512, lower case
 *   C>S [tag, bin(entries), {size, chunk}]                              PackedForward
 *   S>C {ack: chunk}
 *
 * Answers are read by a reader of our own: bounded, no recursion, no allocation. Each gives WR_ETRUNC while
 * more bytes are needed, WR_EINVAL when this is not the answer, and never looks past `len`.
 *
 * Source: Forward Protocol Specification v1, fluent/fluentd wiki. */
#ifndef WR_COLLECTOR_SINK_FORWARD_WIRE_H
#define WR_COLLECTOR_SINK_FORWARD_WIRE_H

#include "base/buf.h"

enum {
    WR_FORWARD_ID = 24,      /* characters of a chunk id: Base64 of 128 bits */
    WR_FORWARD_NONCE = 64,   /* longest nonce taken; Fluentd and Fluent Bit send 16 bytes */
    WR_FORWARD_ANSWER = 4096 /* longest answer that is waited for */
};

/* The id of a chunk, a function of its content: the same on every retry. `out` takes WR_FORWARD_ID + 1. */
void wr_forward_id(const void *entries, size_t len, char *out);
/* Appends a PackedForward message of `alerts` entries; `id` NULL asks for no acknowledgement. */
void wr_forward_pack(struct wr_buf *out, const char *tag, const void *entries, size_t len, uint32_t alerts,
                     const char *id);

struct wr_forward_helo {
    uint8_t nonce[WR_FORWARD_NONCE], auth[WR_FORWARD_NONCE];
    uint32_t nonce_len, auth_len;
    bool keepalive; /* false: one message per connection */
};
enum wr_err wr_forward_read_helo(const void *bytes, size_t len, size_t *ret_used,
                                 struct wr_forward_helo *ret_helo) WR_MUST_CHECK;

/* What both sides of the handshake know; borrowed text. */
struct wr_forward_login {
    const char *self, *salt, *shared_key, *user, *password; /* user, password: "" for none */
};
void wr_forward_pack_ping(struct wr_buf *out, const struct wr_forward_helo *helo,
                          const struct wr_forward_login *login);

/* *ret_refusal is "" when the server has let us in and proved that it knows the key; else the reason. */
enum { WR_FORWARD_REASON = 128 };
enum wr_err wr_forward_read_pong(const void *bytes, size_t len, const struct wr_forward_helo *helo,
                                 const struct wr_forward_login *login, size_t *ret_used,
                                 char ret_refusal[WR_FORWARD_REASON]) WR_MUST_CHECK;

/* One acknowledgement; ret_id (WR_FORWARD_ID + 1) is "" for an empty map, by which Vector says that it
 * failed, and for an id that cannot be ours. */
enum wr_err wr_forward_read_ack(const void *bytes, size_t len, size_t *ret_used, char *ret_id,
                                bool *ret_refused) WR_MUST_CHECK;

#endif
