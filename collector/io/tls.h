/* One TLS session over memory, either side: bytes in, bytes out, no socket. TLS 1.2 or later, no renegotiation.
 * Lifetime: one connection. Threads: one at a time. */
#ifndef WR_COLLECTOR_IO_TLS_H
#define WR_COLLECTOR_IO_TLS_H

#include "base/buf.h"

struct wr_tls;

struct wr_tls_opts {
    const char *name;    /* of the peer: DNS name or address; SNI and what the certificate must say */
    const char *ca_file; /* PEM; NULL: the system's authorities */
    const char *cert_file,
        *key_file; /* PEM; NULL: no client certificate; key_file NULL: the key is in cert_file */
    bool insecure; /* accepts any certificate */
};

/* Client. Reads the files anew. NULL with one line in `error` when one cannot be used or memory ran out. */
struct wr_tls *wr_tls_new(const struct wr_tls_opts *opts, struct wr_buf *error) WR_MUST_CHECK;
void wr_tls_free(struct wr_tls *tls);

/* Server: certificate and key, and whose clients are let in (NULL: clients need no certificate). The sessions keep what
 * they need of it. PEM files; `key_file` NULL: the key is in `cert_file`. NULL with one line in `error`. */
struct wr_tls_server;
struct wr_tls_server *wr_tls_server_new(const char *cert_file, const char *key_file, const char *client_ca,
                                        struct wr_buf *error) WR_MUST_CHECK;
void wr_tls_server_free(struct wr_tls_server *server);
struct wr_tls *wr_tls_accept(const struct wr_tls_server *server) WR_MUST_CHECK; /* NULL: no memory */

/* Takes ciphertext from the peer, goes on with the handshake, appends plaintext to `plain`. WR_EIO when the
 * session failed or the peer ended it: wr_tls_error() says why. */
enum wr_err wr_tls_feed(struct wr_tls *tls, const void *bytes, size_t len,
                        struct wr_buf *plain) WR_MUST_CHECK;
/* Starts the handshake, or goes on with it. */
enum wr_err wr_tls_handshake(struct wr_tls *tls) WR_MUST_CHECK;
bool wr_tls_ready(const struct wr_tls *tls); /* the handshake is done and the peer is who it should be */
/* Encrypts all of it; only when ready. */
enum wr_err wr_tls_write(struct wr_tls *tls, const void *bytes, size_t len) WR_MUST_CHECK;
/* Appends the ciphertext that waits to be sent. */
void wr_tls_take(struct wr_tls *tls, struct wr_buf *cipher);
/* After a failure: the peer's certificate was refused, or it has none; the peer ended the session as it should. */
bool wr_tls_refused(const struct wr_tls *tls);
bool wr_tls_ended(const struct wr_tls *tls);
void wr_tls_end(struct wr_tls *tls); /* close_notify, for wr_tls_take */
const char *wr_tls_error(const struct wr_tls *tls); /* borrowed; "" when there was none */

#endif
