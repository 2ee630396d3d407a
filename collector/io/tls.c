#include "collector/io/tls.h"

#include <arpa/inet.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

enum { PLAIN_LIMIT = 1 << 20 };

struct wr_tls {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out; /* owned by ssl */
    bool refused, ended;
    struct wr_buf error;
};

static void openssl_text(struct wr_buf *out)
{
    unsigned long code = ERR_peek_last_error();
    char text[160] = "no detail";
    if (code)
        ERR_error_string_n(code, text, sizeof text);
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    wr_buf_str(out, reason ? reason : text);
    ERR_clear_error();
}

static bool complain(struct wr_buf *error, const char *what, const char *file)
{
    wr_buf_fmt(error, "%s '%s': ", what, file);
    openssl_text(error);
    return false;
}

static bool load_files(SSL_CTX *ctx, const struct wr_tls_opts *opts, struct wr_buf *error)
{
    if (opts->ca_file && SSL_CTX_load_verify_file(ctx, opts->ca_file) != 1)
        return complain(error, "cannot use the CA file", opts->ca_file);
    if (!opts->ca_file && SSL_CTX_set_default_verify_paths(ctx) != 1)
        return complain(error, "cannot use the authorities of", "the system");
    if (!opts->cert_file)
        return true;
    const char *key = opts->key_file ? opts->key_file : opts->cert_file;
    if (SSL_CTX_use_certificate_chain_file(ctx, opts->cert_file) != 1)
        return complain(error, "cannot use the certificate", opts->cert_file);
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
        return complain(error, "cannot use the private key", key);
    if (SSL_CTX_check_private_key(ctx) != 1)
        return complain(error, "the certificate has another key than", key);
    return true;
}

/* The name that the certificate must have. An address is compared with address entries and is no SNI. */
static bool set_peer(SSL *ssl, const char *name)
{
    unsigned char addr[16];
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (inet_pton(AF_INET, name, addr) == 1 || inet_pton(AF_INET6, name, addr) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(param, name, 0) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

static bool make_session(struct wr_tls *tls)
{
    tls->ssl = SSL_new(tls->ctx);
    tls->in = BIO_new(BIO_s_mem());
    tls->out = BIO_new(BIO_s_mem());
    if (!tls->ssl || !tls->in || !tls->out) {
        BIO_free(tls->in);
        BIO_free(tls->out);
        return false;
    }
    SSL_set_bio(tls->ssl, tls->in, tls->out);
    return true;
}

struct wr_tls *wr_tls_new(const struct wr_tls_opts *opts, struct wr_buf *error)
{
    struct wr_tls *tls = calloc(1, sizeof *tls);
    if (!tls)
        return NULL;
    tls->ctx = SSL_CTX_new(TLS_client_method());
    if (!tls->ctx || SSL_CTX_set_min_proto_version(tls->ctx, TLS1_2_VERSION) != 1) {
        wr_buf_str(error, "cannot set up TLS");
        wr_tls_free(tls);
        return NULL;
    }
    SSL_CTX_set_verify(tls->ctx, opts->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    if (!load_files(tls->ctx, opts, error)) {
        wr_tls_free(tls);
        return NULL;
    }
    if (!make_session(tls) || !set_peer(tls->ssl, opts->name)) {
        wr_buf_str(error, "cannot set up TLS: ");
        openssl_text(error);
        wr_tls_free(tls);
        return NULL;
    }
    SSL_set_connect_state(tls->ssl);
    return tls;
}

struct wr_tls_server {
    SSL_CTX *ctx;
};

static bool load_server(SSL_CTX *ctx, const char *cert_file, const char *key_file, const char *client_ca,
                        struct wr_buf *error)
{
    if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1)
        return complain(error, "cannot use the certificate", cert_file);
    if (SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1)
        return complain(error, "cannot use the private key", key_file);
    if (SSL_CTX_check_private_key(ctx) != 1)
        return complain(error, "the certificate has another key than", key_file);
    if (!client_ca)
        return true;
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(client_ca);
    if (!names || SSL_CTX_load_verify_file(ctx, client_ca) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return complain(error, "cannot use the clients' CA file", client_ca);
    }
    SSL_CTX_set_client_CA_list(ctx, names);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return true;
}

struct wr_tls_server *wr_tls_server_new(const char *cert_file, const char *key_file, const char *client_ca,
                                        struct wr_buf *error)
{
    struct wr_tls_server *server = calloc(1, sizeof *server);
    SSL_CTX *ctx = server ? SSL_CTX_new(TLS_server_method()) : NULL;
    if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1) {
        wr_buf_str(error, "cannot set up TLS");
        SSL_CTX_free(ctx);
        free(server);
        return NULL;
    }
    server->ctx = ctx;
    /* No renegotiation and no tickets: a session must not outlive the certificates it was made with. */
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, 0);
    if (load_server(ctx, cert_file, key_file ? key_file : cert_file, client_ca, error))
        return server;
    wr_tls_server_free(server);
    return NULL;
}

void wr_tls_server_free(struct wr_tls_server *server)
{
    if (server)
        SSL_CTX_free(server->ctx);
    free(server);
}

struct wr_tls *wr_tls_accept(const struct wr_tls_server *server)
{
    struct wr_tls *tls = calloc(1, sizeof *tls);
    if (!tls)
        return NULL;
    tls->ctx = server->ctx;
    SSL_CTX_up_ref(tls->ctx);
    if (!make_session(tls)) {
        wr_tls_free(tls);
        return NULL;
    }
    SSL_set_accept_state(tls->ssl);
    return tls;
}

void wr_tls_free(struct wr_tls *tls)
{
    if (!tls)
        return;
    SSL_free(tls->ssl);
    SSL_CTX_free(tls->ctx);
    wr_buf_fini(&tls->error);
    free(tls);
}

const char *wr_tls_error(const struct wr_tls *tls)
{
    return tls->error.data ? tls->error.data : "";
}

/* WR_OK when OpenSSL only wants more bytes. */
static enum wr_err judge(struct wr_tls *tls, int rc)
{
    int why = SSL_get_error(tls->ssl, rc);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return WR_OK;
    wr_buf_reset(&tls->error);
    long verdict = SSL_get_verify_result(tls->ssl);
    int reason = ERR_GET_REASON(ERR_peek_last_error());
    const char *peer = SSL_is_server(tls->ssl) ? "sender" : "receiver";
    tls->ended = why == SSL_ERROR_ZERO_RETURN;
    tls->refused = reason == SSL_R_CERTIFICATE_VERIFY_FAILED || reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE;
    if (tls->ended)
        wr_buf_fmt(&tls->error, "the %s ended the TLS session", peer);
    else if (verdict != X509_V_OK && SSL_get_verify_mode(tls->ssl) != SSL_VERIFY_NONE)
        wr_buf_fmt(&tls->error, "TLS: the %s's certificate is refused: %s", peer,
                   X509_verify_cert_error_string(verdict));
    else
        wr_buf_str(&tls->error, "TLS: ");
    if (tls->error.len == 5)
        openssl_text(&tls->error);
    wr_buf_char(&tls->error, '\0');
    ERR_clear_error();
    return WR_EIO;
}

enum wr_err wr_tls_handshake(struct wr_tls *tls)
{
    ERR_clear_error();
    int rc = SSL_do_handshake(tls->ssl);
    return rc == 1 ? WR_OK : judge(tls, rc);
}

bool wr_tls_ready(const struct wr_tls *tls)
{
    return SSL_is_init_finished(tls->ssl);
}

enum wr_err wr_tls_feed(struct wr_tls *tls, const void *bytes, size_t len, struct wr_buf *plain)
{
    if (len > INT_MAX || BIO_write(tls->in, bytes, (int)len) != (int)len)
        return WR_ENOMEM;
    if (!wr_tls_ready(tls)) {
        enum wr_err err = wr_tls_handshake(tls);
        if (err || !wr_tls_ready(tls))
            return err;
    }
    size_t before = plain->len;
    for (;;) {
        char *room = wr_buf_room(plain, 4096);
        if (!room || plain->len - before > PLAIN_LIMIT)
            return WR_ENOMEM;
        ERR_clear_error();
        int rc = SSL_read(tls->ssl, room, 4096);
        if (rc <= 0)
            return judge(tls, rc);
        plain->len += (size_t)rc;
    }
}

enum wr_err wr_tls_write(struct wr_tls *tls, const void *bytes, size_t len)
{
    size_t written = 0;
    ERR_clear_error();
    int rc = len ? SSL_write_ex(tls->ssl, bytes, len, &written) : 1; /* a memory BIO takes all of it */
    if (rc == 1 && written == len)
        return WR_OK;
    enum wr_err err = judge(tls, rc);
    return err ? err : WR_EIO;
}

bool wr_tls_refused(const struct wr_tls *tls)
{
    return tls->refused;
}

bool wr_tls_ended(const struct wr_tls *tls)
{
    return tls->ended;
}

void wr_tls_end(struct wr_tls *tls)
{
    if (wr_tls_ready(tls))
        (void)SSL_shutdown(tls->ssl);
    ERR_clear_error();
}

void wr_tls_take(struct wr_tls *tls, struct wr_buf *cipher)
{
    size_t n = BIO_ctrl_pending(tls->out);
    char *room = n && n <= INT_MAX ? wr_buf_room(cipher, n) : NULL;
    int rc = room ? BIO_read(tls->out, room, (int)n) : 0;
    if (rc > 0)
        cipher->len += (size_t)rc;
}
