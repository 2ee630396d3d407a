#include "collector/ingest/forward.h"

#include "base/hash.h"
#include "parsers/log/forward.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

enum { NONCE = 16, DIGEST = 128 };

struct wait {
    uint64_t position;
    uint32_t len;
    uint8_t id[WR_FORWARD_MAX_CHUNK_ID];
};

struct wr_forward_conn {
    const struct wr_forward_listen *config;
    bool open; /* data may come */
    uint8_t nonce[NONCE], auth[NONCE];
    struct wr_mp_span span;
    /* the message at hand */
    bool busy;
    struct wr_forward_msg msg;
    const uint8_t *base; /* where its bytes were when `msg` was read */
    size_t message_len;
    struct wr_buf inflated, frame;
    struct wait *waits; /* WR_FORWARD_MAX_ACKS of them, a ring */
    uint32_t first, nwaits;
    struct wait last; /* the chunk that is through */
};

/* ---- handshake ---- */

struct piece {
    const void *bytes;
    size_t len;
};

static void digest_hex(const struct piece *pieces, size_t n, char out[DIGEST + 1])
{
    uint8_t digest[64] = {0};
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx && EVP_DigestInit_ex(ctx, EVP_sha512(), NULL) == 1;
    for (size_t i = 0; good && i < n; i++)
        good = EVP_DigestUpdate(ctx, pieces[i].bytes, pieces[i].len) == 1;
    good = good && EVP_DigestFinal_ex(ctx, digest, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    memset(out, 0, DIGEST + 1); /* never equal to a digest: without memory the handshake fails */
    if (good)
        wr_hex(digest, sizeof digest, out);
}

static void put_str(struct wr_buf *out, const char *text, size_t len)
{
    wr_buf_u8(out, 0xd9); /* str8 */
    wr_buf_u8(out, (uint8_t)len);
    wr_buf_add(out, text, len);
}

static void put_word(struct wr_buf *out, const char *text)
{
    put_str(out, text, strlen(text));
}

static void put_bin(struct wr_buf *out, const uint8_t *bytes, uint8_t len)
{
    wr_buf_u8(out, 0xc4);
    wr_buf_u8(out, len);
    wr_buf_add(out, bytes, len);
}

static void put_helo(struct wr_forward_conn *c, struct wr_buf *out)
{
    wr_buf_u8(out, 0x92);
    put_word(out, "HELO");
    wr_buf_u8(out, 0x83);
    put_word(out, "nonce");
    put_bin(out, c->nonce, NONCE);
    put_word(out, "auth");
    put_bin(out, c->auth, c->config->nusers ? NONCE : 0);
    put_word(out, "keepalive");
    wr_buf_u8(out, 0xc3);
}

static void put_pong(const struct wr_forward_conn *c, const char *refusal, const struct wr_mp *salt, struct wr_buf *out)
{
    char digest[DIGEST + 1] = "";
    const char *self = c->config->self_hostname;
    bool ok = !*refusal;
    if (ok) {
        struct piece pieces[] = {{salt->p, salt->n},
                                 {self, strlen(self)},
                                 {c->nonce, NONCE},
                                 {c->config->shared_key, strlen(c->config->shared_key)}};
        digest_hex(pieces, 4, digest);
    }
    wr_buf_u8(out, 0x95);
    put_word(out, "PONG");
    wr_buf_u8(out, ok ? 0xc3 : 0xc2);
    put_word(out, refusal);
    put_word(out, ok ? self : "");
    put_word(out, digest);
}

static bool same_digest(const char *ours, const struct wr_mp *theirs)
{
    return theirs->n == DIGEST && CRYPTO_memcmp(ours, theirs->p, DIGEST) == 0;
}

static bool right_user(const struct wr_forward_conn *c, const struct wr_mp *name, const struct wr_mp *password)
{
    char digest[DIGEST + 1];
    bool right = c->config->nusers == 0;
    for (uint32_t i = 0; i < c->config->nusers; i++) {
        const char *user = c->config->users[i].name, *word = c->config->users[i].password;
        struct piece pieces[] = {{c->auth, NONCE}, {user, strlen(user)}, {word, strlen(word)}};
        digest_hex(pieces, 3, digest);
        right |= name->n == strlen(user) && !memcmp(name->p, user, name->n) && same_digest(digest, password);
    }
    return right;
}

/* ["PING", host, salt, hex(salt host nonce key), user, hex(auth user password)]. False: refused or no PING. */
static bool read_ping(struct wr_forward_conn *c, const uint8_t *data, size_t len, struct wr_buf *out)
{
    const uint8_t *at = data, *end = data + len;
    struct wr_mp all, f[6];
    if (wr_mp_next(&at, end, &all) != 1 || all.type != WR_MP_ARRAY || all.n != 6)
        return false;
    for (int i = 0; i < 6; i++)
        if (wr_mp_next(&at, end, &f[i]) != 1 || (f[i].type != WR_MP_STR && f[i].type != WR_MP_BIN))
            return false;
    if (f[0].n != 4 || memcmp(f[0].p, "PING", 4) != 0)
        return false;
    char digest[DIGEST + 1];
    const char *key = c->config->shared_key;
    struct piece pieces[] = {{f[2].p, f[2].n}, {f[1].p, f[1].n}, {c->nonce, NONCE}, {key, strlen(key)}};
    digest_hex(pieces, 4, digest);
    const char *refusal = !same_digest(digest, &f[3])      ? "shared_key mismatch"
                          : !right_user(c, &f[4], &f[5]) ? "username/password mismatch"
                                                           : "";
    put_pong(c, refusal, &f[2], out);
    c->open = !*refusal;
    return c->open;
}

/* ---- life ---- */

struct wr_forward_conn *wr_forward_conn_new(const struct wr_forward_listen *config, struct wr_buf *out)
{
    struct wr_forward_conn *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->config = config;
    c->waits = calloc(WR_FORWARD_MAX_ACKS, sizeof *c->waits);
    if (!c->waits || RAND_bytes(c->nonce, NONCE) != 1 || RAND_bytes(c->auth, NONCE) != 1) {
        wr_forward_conn_free(c);
        return NULL;
    }
    c->open = !config->shared_key;
    if (!c->open)
        put_helo(c, out);
    return c;
}

void wr_forward_conn_free(struct wr_forward_conn *conn)
{
    if (!conn)
        return;
    wr_buf_fini(&conn->inflated);
    wr_buf_fini(&conn->frame);
    free(conn->waits);
    free(conn);
}

/* ---- acknowledgements ---- */

void wr_forward_conn_wait(struct wr_forward_conn *conn, uint64_t position)
{
    WR_ASSERT(conn->nwaits < WR_FORWARD_MAX_ACKS);
    struct wait *w = &conn->waits[(conn->first + conn->nwaits++) % WR_FORWARD_MAX_ACKS];
    *w = conn->last;
    w->position = position;
}

void wr_forward_conn_safe(struct wr_forward_conn *conn, uint64_t position, struct wr_buf *out)
{
    while (conn->nwaits && conn->waits[conn->first].position <= position) {
        const struct wait *w = &conn->waits[conn->first];
        wr_buf_u8(out, 0x81);
        wr_buf_u8(out, 0xa3);
        wr_buf_add(out, "ack", 3);
        wr_buf_add(out, w->id, w->len);
        conn->first = (conn->first + 1) % WR_FORWARD_MAX_ACKS;
        conn->nwaits--;
    }
}

size_t wr_forward_conn_held(const struct wr_forward_conn *conn)
{
    return conn->inflated.cap + conn->frame.cap;
}

bool wr_forward_conn_waits(const struct wr_forward_conn *conn)
{
    return conn->nwaits > 0;
}

/* ---- messages ---- */

static const uint8_t *moved(const uint8_t *p, const uint8_t *from, const uint8_t *to)
{
    return p ? to + (p - from) : NULL;
}

/* The message at hand moves with the bytes that it points into. */
static void rebase(struct wr_forward_conn *c, const uint8_t *data)
{
    if (c->base == data)
        return;
    if (!c->msg.packing) {
        c->msg.at = moved(c->msg.at, c->base, data);
        c->msg.end = moved(c->msg.end, c->base, data);
    }
    c->msg.tag = (const char *)moved((const uint8_t *)c->msg.tag, c->base, data);
    c->base = data;
}

static enum wr_err begin_message(struct wr_forward_conn *c, const uint8_t *data, size_t len)
{
    enum wr_err err = wr_forward_read(data, len, &c->msg);
    c->base = data;
    c->message_len = len;
    c->busy = true;
    if (err || !c->msg.packing)
        return err;
    wr_buf_reset(&c->inflated);
    err = wr_forward_inflate(c->msg.packing, c->msg.at, (size_t)(c->msg.end - c->msg.at), WR_FORWARD_MAX_INFLATED, &c->inflated);
    c->msg.at = (const uint8_t *)c->inflated.data;
    c->msg.end = c->msg.at + c->inflated.len;
    return err;
}

static enum wr_forward_step end_message(struct wr_forward_conn *c, size_t *ret_used, bool *ret_chunk)
{
    *ret_used = c->message_len;
    *ret_chunk = c->msg.chunk != NULL;
    if (c->msg.chunk) {
        c->last.len = c->msg.chunk_len;
        memcpy(c->last.id, c->msg.chunk, c->msg.chunk_len);
    }
    c->busy = false;
    if (c->inflated.cap > 1 << 20)
        wr_buf_fini(&c->inflated);
    return WR_FORWARD_WORKED;
}

static enum wr_forward_step slice(struct wr_forward_conn *c, const struct wr_forward_take *take, size_t *ret_used,
                                  bool *ret_chunk)
{
    for (size_t done = 0; done < WR_FORWARD_SLICE;) {
        int rc = wr_forward_entry(&c->msg, &c->frame);
        if (rc == 0)
            return end_message(c, ret_used, ret_chunk);
        if (rc == 1)
            take->frame(take->ctx, c->frame.data ? c->frame.data : "", c->frame.len);
        else
            take->bad_entry(take->ctx);
        if (rc < 0)
            return WR_FORWARD_BROKEN;
        done += c->frame.len + 64;
    }
    return WR_FORWARD_WORKED;
}

enum wr_forward_step wr_forward_conn_step(struct wr_forward_conn *conn, const uint8_t *data, size_t len,
                                          const struct wr_forward_take *take, size_t *ret_used, bool *ret_chunk,
                                          struct wr_buf *out)
{
    *ret_used = 0;
    *ret_chunk = false;
    if (conn->busy) {
        const uint8_t *chunk = conn->msg.chunk;
        size_t at = chunk ? (size_t)(chunk - conn->base) : 0;
        rebase(conn, data);
        conn->msg.chunk = chunk ? data + at : NULL;
        return slice(conn, take, ret_used, ret_chunk);
    }
    if (conn->nwaits == WR_FORWARD_MAX_ACKS)
        return WR_FORWARD_WAIT;
    size_t most = conn->open ? WR_FORWARD_MAX_MESSAGE : WR_FORWARD_MAX_PING;
    int rc = wr_mp_span_feed(&conn->span, data, len);
    if (rc < 0 || conn->span.at > most || (rc == 0 && len > most)) {
        take->bad_entry(take->ctx);
        return WR_FORWARD_BROKEN;
    }
    if (rc == 0)
        return WR_FORWARD_MORE;
    size_t whole = conn->span.at;
    conn->span = (struct wr_mp_span){0};
    if (!conn->open) {
        *ret_used = whole;
        return read_ping(conn, data, whole, out) ? WR_FORWARD_WORKED : WR_FORWARD_BROKEN;
    }
    if (begin_message(conn, data, whole) != WR_OK) {
        take->bad_entry(take->ctx);
        return WR_FORWARD_BROKEN;
    }
    return WR_FORWARD_WORKED;
}
