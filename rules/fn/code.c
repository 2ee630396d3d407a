/* Codes and digests of text: base64 (RFC 4648), percent coding (RFC 3986), MD5, SHA-1,
 * xxHash64. */
#include "rules/fn/code.h"

#include "rules/fn/json.h"
#include "rules/fn/kernel.h"

#include "base/hash.h"

#include <openssl/evp.h>

#define KERNEL(name)                                                                               \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,      \
                     const struct wr_sel *sel, struct wr_vec *out)

static void put_digest(struct wr_eval *ev, const struct wr_vec *args, const struct wr_sel *sel,
                       struct wr_vec *out, const EVP_MD *md)
{
    struct wr_buf text = {0};
    WR_EACH(sel, row)
    {
        unsigned char digest[EVP_MAX_MD_SIZE];
        char hex[2 * EVP_MAX_MD_SIZE + 1];
        unsigned n = 0;
        wr_buf_reset(&text);
        wr_text_at(&args[0], row, &text);
        if (EVP_Digest(text.data ? text.data : "", text.len, digest, &n, md, NULL) != 1) {
            ev->err = WR_ENOMEM;
            break;
        }
        wr_hex(digest, n, hex);
        wr_put_text(ev, out, row, hex, 2 * (size_t)n);
    }
    if (text.err)
        ev->err = WR_ENOMEM;
    wr_buf_fini(&text);
}

KERNEL(hash_md5)
{
    (void)call;
    put_digest(ev, args, sel, out, EVP_md5());
}

KERNEL(hash_sha1)
{
    (void)call;
    put_digest(ev, args, sel, out, EVP_sha1());
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void wr_base64_encode(const char *bytes, size_t len, struct wr_buf *out)
{
    const unsigned char *p = (const unsigned char *)bytes;
    for (size_t i = 0; i < len; i += 3) {
        uint32_t v = (uint32_t)p[i] << 16 | (uint32_t)(i + 1 < len ? p[i + 1] : 0) << 8 |
                     (i + 2 < len ? p[i + 2] : 0);
        wr_buf_char(out, alphabet[v >> 18]);
        wr_buf_char(out, alphabet[v >> 12 & 63]);
        wr_buf_char(out, i + 1 < len ? alphabet[v >> 6 & 63] : '=');
        wr_buf_char(out, i + 2 < len ? alphabet[v & 63] : '=');
    }
}

/* A text that is there; "" stays as it is. */
static void put(struct wr_eval *ev, struct wr_vec *out, uint32_t row, const struct wr_buf *text)
{
    if (text->len && !text->err)
        wr_put_text(ev, out, row, text->data, text->len);
    else if (text->err)
        ev->err = WR_ENOMEM;
}

KERNEL(base64_encode)
{
    (void)call;
    struct wr_buf text = {0};
    WR_EACH(sel, row)
    {
        wr_buf_reset(&text);
        wr_base64_encode(wr_str_data(&args[0].s[row]), args[0].s[row].len, &text);
        put(ev, out, row, &text);
    }
    wr_buf_fini(&text);
}

/* Bytes as an array of numbers from 0 to 255; "" when one is none. */
KERNEL(base64_encode_array)
{
    (void)call;
    struct wr_buf text = {0}, bytes = {0};
    WR_EACH(sel, row)
    {
        struct wr_slice array = {wr_str_data(&args[0].s[row]), args[0].s[row].len}, item;
        const char *at = NULL;
        bool ok = wr_json_count(array) >= 0;
        wr_buf_reset(&text);
        wr_buf_reset(&bytes);
        while (ok && wr_json_next(array, &at, &item)) {
            int64_t v = -1;
            ok = wr_text_to_long(item.p, item.len, &v) && v >= 0 && v <= 255;
            wr_buf_u8(&bytes, (uint8_t)v);
        }
        if (ok && !bytes.err && bytes.len)
            wr_base64_encode(bytes.data, bytes.len, &text);
        put(ev, out, row, &text);
    }
    wr_buf_fini(&text);
    wr_buf_fini(&bytes);
}

/* Places of the digits' bytes in .NET's order: the first three fields are little-endian. */
static const uint8_t guid_order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

static int hex_digit(char c)
{
    c = wr_ascii_lower(c);
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Bytes of a guid's text in the order in which it is written; false when they are not 16. */
static bool guid_bytes(const struct wr_str *s, uint8_t out[16])
{
    const char *p = wr_str_data(s);
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->len; i++) {
        int v = hex_digit(p[i]);
        if (v < 0)
            continue;
        if (n == 32)
            return false;
        out[n / 2] = (uint8_t)(n % 2 ? out[n / 2] << 4 | v : v);
        n++;
    }
    return n == 32;
}

KERNEL(base64_encode_guid)
{
    (void)call;
    struct wr_buf text = {0};
    WR_EACH(sel, row)
    {
        uint8_t bytes[16];
        char ordered[16];
        wr_buf_reset(&text);
        if (!guid_bytes(&args[0].s[row], bytes))
            continue;
        for (int i = 0; i < 16; i++)
            ordered[i] = (char)bytes[guid_order[i]];
        wr_base64_encode(ordered, 16, &text);
        put(ev, out, row, &text);
    }
    wr_buf_fini(&text);
}

KERNEL(base64_decode_guid)
{
    (void)call;
    struct wr_buf bytes = {0};
    WR_EACH(sel, row)
    {
        uint8_t ordered[16];
        char hex[33], text[37];
        if (!wr_base64_decode(&args[0].s[row], &bytes) || bytes.len != 16)
            continue;
        for (int i = 0; i < 16; i++)
            ordered[guid_order[i]] = (uint8_t)bytes.data[i];
        wr_hex(ordered, 16, hex);
        snprintf(text, sizeof text, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
                 hex + 20);
        wr_put_text(ev, out, row, text, 36);
    }
    if (bytes.err)
        ev->err = WR_ENOMEM;
    wr_buf_fini(&bytes);
}

/* hash(x), hash(x, mod): numbers and times by their 8 bytes, texts by theirs, guids by their 16. */
KERNEL(hash)
{
    (void)ev;
    WR_EACH(sel, row)
    {
        uint64_t h;
        uint8_t bytes[16];
        if (args[0].type == WR_GUID) {
            uint8_t ordered[16];
            if (!guid_bytes(&args[0].s[row], bytes))
                continue;
            for (int i = 0; i < 16; i++)
                ordered[i] = bytes[guid_order[i]];
            h = wr_xxh64(0, ordered, 16);
        } else if (args[0].s) {
            h = wr_xxh64(0, wr_str_data(&args[0].s[row]), args[0].s[row].len);
        } else {
            h = args[0].r ? wr_xxh64(0, &args[0].r[row], 8) : wr_xxh64(0, &args[0].i[row], 8);
        }
        if (call->nargs < 2)
            wr_put_i(out, row, (int64_t)h);
        else if (args[1].i[row] > 0)
            wr_put_i(out, row, (int64_t)(h % (uint64_t)args[1].i[row]));
    }
}

bool wr_base64_decode(const struct wr_str *s, struct wr_buf *out)
{
    const char *p = wr_str_data(s);
    size_t len = s->len, pad = 0;
    wr_buf_reset(out);
    if (len % 4)
        return false;
    while (pad < 2 && pad < len && p[len - 1 - pad] == '=')
        pad++;
    for (size_t i = 0; i < len; i += 4) {
        uint32_t v = 0;
        size_t n = i + 4 == len ? 4 - pad : 4;
        for (size_t k = 0; k < 4; k++) {
            const char *at = k < n ? memchr(alphabet, p[i + k], 64) : alphabet;
            if (!at)
                return false;
            v = v << 6 | (uint32_t)(at - alphabet);
        }
        for (size_t k = 0; k + 1 < n; k++)
            wr_buf_char(out, (char)(v >> (16 - 8 * k)));
    }
    return true;
}

KERNEL(base64_decode_tostring)
{
    (void)call;
    struct wr_buf text = {0};
    WR_EACH(sel, row)
    if (wr_base64_decode(&args[0].s[row], &text) && text.len && !text.err &&
        wr_utf8_valid(text.data, text.len))
        wr_put_text(ev, out, row, text.data, text.len);
    if (text.err)
        ev->err = WR_ENOMEM;
    wr_buf_fini(&text);
}

KERNEL(base64_decode_toarray)
{
    (void)call;
    struct wr_buf text = {0}, json = {0};
    WR_EACH(sel, row)
    {
        if (!wr_base64_decode(&args[0].s[row], &text))
            continue;
        wr_buf_reset(&json);
        wr_buf_char(&json, '[');
        for (size_t i = 0; i < text.len; i++) {
            if (i)
                wr_buf_char(&json, ',');
            wr_buf_i64(&json, (unsigned char)text.data[i]);
        }
        wr_buf_char(&json, ']');
        if (!json.err)
            wr_put_text(ev, out, row, json.data, json.len);
    }
    if (text.err || json.err)
        ev->err = WR_ENOMEM;
    wr_buf_fini(&text);
    wr_buf_fini(&json);
}

static void encode_url(struct wr_eval *ev, const struct wr_vec *args, const struct wr_sel *sel,
                       struct wr_vec *out, const char *plain)
{
    static const char hex[] = "0123456789ABCDEF";
    struct wr_buf text = {0};
    WR_EACH(sel, row)
    {
        const char *p = wr_str_data(&args[0].s[row]);
        wr_buf_reset(&text);
        for (uint32_t i = 0; i < args[0].s[row].len; i++) {
            unsigned char c = (unsigned char)p[i];
            if (wr_is_alnum(p[i]) || (c && strchr(plain, c))) {
                wr_buf_char(&text, p[i]);
            } else {
                wr_buf_char(&text, '%');
                wr_buf_char(&text, hex[c >> 4]);
                wr_buf_char(&text, hex[c & 15]);
            }
        }
        if (text.len && !text.err)
            wr_put_text(ev, out, row, text.data, text.len);
    }
    if (text.err)
        ev->err = WR_ENOMEM;
    wr_buf_fini(&text);
}

KERNEL(url_encode)
{
    (void)call;
    encode_url(ev, args, sel, out, "-_.~!*'()");
}

KERNEL(url_encode_component)
{
    (void)call;
    encode_url(ev, args, sel, out, "-_.~");
}

void wr_url_decode(const char *p, size_t len, struct wr_buf *out)
{
    for (size_t i = 0; i < len; i++) {
        int hi = p[i] == '%' && len - i > 2 ? hex_digit(p[i + 1]) : -1;
        int lo = hi >= 0 ? hex_digit(p[i + 2]) : -1;
        if (lo < 0) {
            wr_buf_char(out, p[i]);
            continue;
        }
        wr_buf_u8(out, (uint8_t)(hi << 4 | lo));
        i += 2;
    }
}

KERNEL(url_decode)
{
    (void)call;
    struct wr_buf text = {0};
    WR_EACH(sel, row)
    {
        wr_buf_reset(&text);
        wr_url_decode(wr_str_data(&args[0].s[row]), args[0].s[row].len, &text);
        if (text.len && !text.err && wr_utf8_valid(text.data, text.len))
            wr_put_text(ev, out, row, text.data, text.len);
    }
    if (text.err)
        ev->err = WR_ENOMEM;
    wr_buf_fini(&text);
}
