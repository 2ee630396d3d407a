#include "collector/sink/tls_client.h"

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

static bool make_session(struct wr_tls *tls, const struct wr_tls_opts *opts)
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
    SSL_set_connect_state(tls->ssl);
    return set_peer(tls->ssl, opts->name);
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
    if (!make_session(tls, opts)) {
        wr_buf_str(error, "cannot set up TLS: ");
        openssl_text(error);
        wr_tls_free(tls);
        return NULL;
    }
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
    if (why == SSL_ERROR_ZERO_RETURN)
        wr_buf_str(&tls->error, "the receiver ended the TLS session");
    else if (verdict != X509_V_OK && SSL_get_verify_mode(tls->ssl) != SSL_VERIFY_NONE)
        wr_buf_fmt(&tls->error, "TLS: the receiver's certificate is refused: %s",
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
    for (;;) {
        char *room = wr_buf_room(plain, 4096);
        if (!room || plain->len > PLAIN_LIMIT)
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

void wr_tls_take(struct wr_tls *tls, struct wr_buf *cipher)
{
    size_t n = BIO_ctrl_pending(tls->out);
    char *room = n && n <= INT_MAX ? wr_buf_room(cipher, n) : NULL;
    int rc = room ? BIO_read(tls->out, room, (int)n) : 0;
    if (rc > 0)
        cipher->len += (size_t)rc;
}
