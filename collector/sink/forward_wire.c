#include "collector/sink/forward_wire.h"

#include "base/hash.h"

#include <msgpack.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

enum { DIGEST = 128, MAX_OPEN = 1024 };

/* ---- packing ---- */

static int put_bytes(void *arg, const char *bytes, size_t n)
{
    struct wr_buf *out = arg;
    wr_buf_add(out, bytes, n);
    return out->err ? -1 : 0;
}

static void pack_str(msgpack_packer *packer, const char *text)
{
    size_t n = strlen(text);
    msgpack_pack_str(packer, n);
    msgpack_pack_str_body(packer, text, n);
}

void wr_forward_id(const void *entries, size_t len, char *out)
{
    uint8_t digest[32];
    wr_sha256(entries, len, digest);
    EVP_EncodeBlock((unsigned char *)out, digest, 16); /* 24 characters and NUL */
}

void wr_forward_pack(struct wr_buf *out, const char *tag, const void *entries, size_t len, uint32_t alerts,
                     const char *id)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, out, put_bytes);
    msgpack_pack_array(&packer, 3);
    pack_str(&packer, tag);
    msgpack_pack_bin(&packer, len);
    msgpack_pack_bin_body(&packer, entries, len);
    msgpack_pack_map(&packer, id ? 2 : 1);
    pack_str(&packer, "size");
    msgpack_pack_uint32(&packer, alerts);
    if (id) {
        pack_str(&packer, "chunk");
        pack_str(&packer, id);
    }
}

struct piece {
    const void *bytes;
    size_t len;
};

static struct piece text_piece(const char *text)
{
    return (struct piece){text, strlen(text)};
}

/* SHA-512 over the pieces as hex; `out` takes DIGEST + 1. */
static void digest_hex(const struct piece *pieces, size_t n, char *out)
{
    uint8_t digest[64] = {0};
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx && EVP_DigestInit_ex(ctx, EVP_sha512(), NULL) == 1;
    for (size_t i = 0; good && i < n; i++)
        good = EVP_DigestUpdate(ctx, pieces[i].bytes, pieces[i].len) == 1;
    good = good && EVP_DigestFinal_ex(ctx, digest, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    out[0] = '\0'; /* "" never equals a digest: without memory the handshake fails */
    if (good)
        wr_hex(digest, sizeof digest, out);
}

static void key_digest(const struct wr_forward_helo *helo, const struct wr_forward_login *login,
                       struct piece host, char *out)
{
    struct piece pieces[] = {
        text_piece(login->salt), host, {helo->nonce, helo->nonce_len}, text_piece(login->shared_key)};
    digest_hex(pieces, 4, out);
}

void wr_forward_pack_ping(struct wr_buf *out, const struct wr_forward_helo *helo,
                          const struct wr_forward_login *login)
{
    char key[DIGEST + 1], password[DIGEST + 1] = "";
    key_digest(helo, login, text_piece(login->self), key);
    bool user = helo->auth_len && login->user[0];
    if (user) {
        struct piece pieces[] = {
            {helo->auth, helo->auth_len}, text_piece(login->user), text_piece(login->password)};
        digest_hex(pieces, 3, password);
    }
    msgpack_packer packer;
    msgpack_packer_init(&packer, out, put_bytes);
    msgpack_pack_array(&packer, 6);
    pack_str(&packer, "PING");
    pack_str(&packer, login->self);
    pack_str(&packer, login->salt); /* as str: Fluent Bit refuses bin */
    pack_str(&packer, key);
    pack_str(&packer, user ? login->user : "");
    pack_str(&packer, password);
}

/* ---- reading ---- */

enum kind { NIL, BOOL, INT, TEXT, ARRAY, MAP, OTHER };

struct object {
    enum kind kind;
    uint32_t n;        /* members, bytes, or the truth of a BOOL */
    const char *bytes; /* of TEXT (str or bin) */
};

struct reader {
    const uint8_t *at, *end;
    enum wr_err err;
};

static uint32_t take_be(struct reader *r, uint32_t n)
{
    if (r->err || (size_t)(r->end - r->at) < n) {
        r->err = r->err ? r->err : WR_ETRUNC;
        return 0;
    }
    uint32_t v = 0;
    while (n--)
        v = v << 8 | *r->at++;
    return v;
}

static const char *take_bytes(struct reader *r, uint32_t n)
{
    if (!r->err && n > WR_FORWARD_ANSWER)
        r->err = WR_EINVAL;
    if (r->err || (size_t)(r->end - r->at) < n) {
        r->err = r->err ? r->err : WR_ETRUNC;
        return NULL;
    }
    const char *p = (const char *)r->at;
    r->at += n;
    return p;
}

static struct object text_object(struct reader *r, uint32_t n)
{
    struct object o = {.kind = TEXT, .n = n};
    o.bytes = take_bytes(r, n);
    return o;
}

static struct object wide_object(struct reader *r, uint8_t tag)
{
    static const uint8_t fixext[] = {1, 2, 4, 8, 16};
    struct object o = {.kind = OTHER};
    if (tag == 0xc0) {
        o.kind = NIL;
    } else if (tag == 0xc2 || tag == 0xc3) {
        o = (struct object){.kind = BOOL, .n = tag & 1};
    } else if (tag >= 0xc4 && tag <= 0xc6) { /* bin 8, 16, 32 */
        o = text_object(r, take_be(r, 1u << (tag - 0xc4)));
    } else if (tag >= 0xc7 && tag <= 0xc9) { /* ext 8, 16, 32: length, type, bytes */
        uint32_t n = take_be(r, 1u << (tag - 0xc7));
        take_be(r, 1);
        take_bytes(r, n);
    } else if (tag == 0xca || tag == 0xcb) { /* float 32, 64 */
        take_bytes(r, tag == 0xca ? 4 : 8);
    } else if (tag >= 0xcc && tag <= 0xd3) { /* uint, int 8 to 64 */
        o.kind = INT;
        take_bytes(r, 1u << ((tag - 0xcc) & 3));
    } else if (tag >= 0xd4 && tag <= 0xd8) {
        take_bytes(r, 1u + fixext[tag - 0xd4]);
    } else if (tag >= 0xd9 && tag <= 0xdb) { /* str 8, 16, 32 */
        o = text_object(r, take_be(r, 1u << (tag - 0xd9)));
    } else if (tag >= 0xdc) { /* array 16, 32, map 16, 32 */
        o.kind = tag < 0xde ? ARRAY : MAP;
        o.n = take_be(r, tag & 1 ? 4 : 2);
    } else {
        r->err = WR_EINVAL; /* 0xc1 is never used */
    }
    return o;
}

static struct object next_object(struct reader *r)
{
    uint8_t tag = (uint8_t)take_be(r, 1);
    if (r->err)
        return (struct object){.kind = OTHER};
    struct object o;
    if (tag <= 0x7f || tag >= 0xe0)
        o = (struct object){.kind = INT};
    else if (tag <= 0x8f)
        o = (struct object){.kind = MAP, .n = tag & 0x0f};
    else if (tag <= 0x9f)
        o = (struct object){.kind = ARRAY, .n = tag & 0x0f};
    else if (tag <= 0xbf)
        o = text_object(r, tag & 0x1f);
    else
        o = wide_object(r, tag);
    if ((o.kind == MAP || o.kind == ARRAY) && o.n > MAX_OPEN)
        r->err = WR_EINVAL;
    return o;
}

/* Past `n` objects with all that they hold. */
static void skip(struct reader *r, uint32_t n)
{
    while (n && !r->err) {
        struct object o = next_object(r);
        n--;
        if (o.kind == ARRAY || o.kind == MAP)
            n += o.kind == MAP ? 2 * o.n : o.n;
        if (n > 4 * MAX_OPEN)
            r->err = WR_EINVAL;
    }
}

static bool is_text(const struct object *o, const char *text)
{
    return o->kind == TEXT && o->bytes && o->n == strlen(text) && memcmp(o->bytes, text, o->n) == 0;
}

static struct reader reader_of(const void *bytes, size_t len)
{
    return (struct reader){.at = bytes, .end = (const uint8_t *)bytes + len};
}

/* Reads the head of [name, ...]: at least `least` members; returns how many follow the name. */
static uint32_t open_message(struct reader *r, const char *name, uint32_t least)
{
    struct object array = next_object(r);
    if (!r->err && (array.kind != ARRAY || array.n < least))
        r->err = WR_EINVAL;
    struct object first = r->err ? array : next_object(r);
    if (!r->err && !is_text(&first, name))
        r->err = WR_EINVAL;
    return r->err ? 0 : array.n - 1;
}

static void copy_nonce(struct reader *r, uint8_t *to, uint32_t *to_len)
{
    struct object o = next_object(r); /* raw bytes, as bin or str: no UTF-8 in them */
    if (!r->err && (o.kind != TEXT || o.n > WR_FORWARD_NONCE))
        r->err = WR_EINVAL;
    if (r->err)
        return;
    memcpy(to, o.bytes, o.n);
    *to_len = o.n;
}

enum wr_err wr_forward_read_helo(const void *bytes, size_t len, size_t *ret_used,
                                 struct wr_forward_helo *ret_helo)
{
    struct reader r = reader_of(bytes, len);
    struct wr_forward_helo helo = {.keepalive = true};
    uint32_t more = open_message(&r, "HELO", 2);
    struct object options = r.err ? (struct object){0} : next_object(&r);
    if (!r.err && options.kind != MAP && options.kind != NIL)
        r.err = WR_EINVAL;
    for (uint32_t i = 0; options.kind == MAP && i < options.n && !r.err; i++) {
        struct object key = next_object(&r);
        if (r.err)
            break;
        if (is_text(&key, "nonce")) {
            copy_nonce(&r, helo.nonce, &helo.nonce_len);
        } else if (is_text(&key, "auth")) {
            copy_nonce(&r, helo.auth, &helo.auth_len);
        } else if (is_text(&key, "keepalive")) {
            struct object v = next_object(&r);
            helo.keepalive = v.kind != BOOL || v.n;
        } else {
            skip(&r, 1);
        }
    }
    if (!r.err && more > 1)
        skip(&r, more - 1);
    if (r.err)
        return r.err;
    *ret_used = (size_t)(r.at - (const uint8_t *)bytes);
    *ret_helo = helo;
    return WR_OK;
}

static void refusal_text(const struct object *reason, char *out)
{
    struct wr_buf text = {0};
    if (reason->kind == TEXT && reason->n)
        wr_buf_printable(&text, reason->bytes, reason->n < 80 ? reason->n : 80);
    snprintf(out, WR_FORWARD_REASON, "%.*s", text.len ? (int)text.len : 15,
             text.len ? text.data : "no reason given");
    wr_buf_fini(&text);
}

enum wr_err wr_forward_read_pong(const void *bytes, size_t len, const struct wr_forward_helo *helo,
                                 const struct wr_forward_login *login, size_t *ret_used,
                                 char ret_refusal[WR_FORWARD_REASON])
{
    struct reader r = reader_of(bytes, len);
    uint32_t more = open_message(&r, "PONG", 5);
    struct object part[4] = {{0}}; /* ok, reason, server, digest */
    for (int i = 0; i < 4 && !r.err; i++) {
        part[i] = next_object(&r);
        if (!r.err && (i == 0 ? part[i].kind != BOOL : part[i].kind != TEXT))
            r.err = WR_EINVAL;
    }
    if (!r.err && more > 4)
        skip(&r, more - 4);
    if (r.err)
        return r.err;
    *ret_used = (size_t)(r.at - (const uint8_t *)bytes);
    ret_refusal[0] = '\0';
    if (!part[0].n) {
        refusal_text(&part[1], ret_refusal);
        return WR_OK;
    }
    char want[DIGEST + 1];
    key_digest(helo, login, (struct piece){part[2].bytes, part[2].n}, want);
    if (is_text(&part[2], login->self))
        snprintf(ret_refusal, WR_FORWARD_REASON, "the receiver has our own name; set self_hostname");
    else if (part[3].n != DIGEST || !want[0] || CRYPTO_memcmp(part[3].bytes, want, DIGEST) != 0)
        snprintf(ret_refusal, WR_FORWARD_REASON, "the receiver does not know the shared key");
    return WR_OK;
}

enum wr_err wr_forward_read_ack(const void *bytes, size_t len, size_t *ret_used, char *ret_id,
                                bool *ret_refused)
{
    struct reader r = reader_of(bytes, len);
    struct object map = next_object(&r);
    char id[WR_FORWARD_ID + 1] = "";
    if (!r.err && map.kind != MAP)
        r.err = WR_EINVAL;
    for (uint32_t i = 0; i < map.n && !r.err; i++) {
        struct object key = next_object(&r);
        if (r.err)
            break;
        if (!is_text(&key, "ack")) {
            skip(&r, 1);
            continue;
        }
        struct object v = next_object(&r);
        if (!r.err && v.kind == TEXT && v.n == WR_FORWARD_ID)
            memcpy(id, v.bytes, WR_FORWARD_ID);
    }
    if (r.err)
        return r.err;
    *ret_used = (size_t)(r.at - (const uint8_t *)bytes);
    *ret_refused = map.n == 0;
    memcpy(ret_id, id, sizeof id);
    return WR_OK;
}
