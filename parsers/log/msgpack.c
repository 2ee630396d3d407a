#include "parsers/log/msgpack.h"

#include "base/ticks.h"
#include "base/wire.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Bytes of the number behind a head; then `n` is it. */
static int sized(const uint8_t **at, const uint8_t *end, int width, struct wr_mp *v)
{
    if (end - *at < width)
        return 0;
    v->n = (uint32_t)wr_be(*at, (size_t)width);
    *at += width;
    return 1;
}

static int content(const uint8_t **at, const uint8_t *end, struct wr_mp *v)
{
    if (v->type == WR_MP_EXT) {
        if (*at == end)
            return 0;
        v->ext = (int8_t) * (*at)++;
    }
    if ((size_t)(end - *at) < v->n)
        return 0;
    v->p = *at;
    *at += v->n;
    return 1;
}

static int number(const uint8_t **at, const uint8_t *end, uint8_t head, struct wr_mp *v)
{
    static const uint8_t widths[] = {4, 8, 1, 2, 4, 8, 1, 2, 4, 8}; /* ca .. d3 */
    size_t width = widths[head - 0xca];
    if ((size_t)(end - *at) < width)
        return 0;
    uint64_t u = wr_be(*at, width);
    *at += width;
    v->type = WR_MP_INT;
    if (head == 0xca) {
        float f;
        uint32_t bits = (uint32_t)u;
        memcpy(&f, &bits, sizeof f);
        v->type = WR_MP_REAL;
        v->r = (double)f;
    } else if (head == 0xcb) {
        v->type = WR_MP_REAL;
        memcpy(&v->r, &u, sizeof v->r);
    } else if (head <= 0xcf) {
        v->type = u > INT64_MAX ? WR_MP_UINT : WR_MP_INT;
        v->u = u;
    } else {
        unsigned shift = (unsigned)(64 - 8 * width);
        v->i = (int64_t)(u << shift) >> shift;
    }
    return 1;
}

/* NOLINTNEXTLINE(readability-function-size): one case a head */
static int of_head(const uint8_t **at, const uint8_t *end, uint8_t head, struct wr_mp *v)
{
    switch (head) {
    case 0xc0:
        v->type = WR_MP_NIL;
        return 1;
    case 0xc2:
    case 0xc3:
        v->type = WR_MP_BOOL;
        v->b = head == 0xc3;
        return 1;
    case 0xc4:
    case 0xc5:
    case 0xc6:
        v->type = WR_MP_BIN;
        return sized(at, end, 1 << (head - 0xc4), v) ? content(at, end, v) : 0;
    case 0xc7:
    case 0xc8:
    case 0xc9:
        v->type = WR_MP_EXT;
        return sized(at, end, 1 << (head - 0xc7), v) ? content(at, end, v) : 0;
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
        v->type = WR_MP_EXT;
        v->n = 1u << (head - 0xd4);
        return content(at, end, v);
    case 0xd9:
    case 0xda:
    case 0xdb:
        v->type = WR_MP_STR;
        return sized(at, end, 1 << (head - 0xd9), v) ? content(at, end, v) : 0;
    case 0xdc:
    case 0xdd:
        v->type = WR_MP_ARRAY;
        return sized(at, end, head == 0xdc ? 2 : 4, v);
    case 0xde:
    case 0xdf:
        v->type = WR_MP_MAP;
        return sized(at, end, head == 0xde ? 2 : 4, v);
    default:
        return head >= 0xca && head <= 0xd3 ? number(at, end, head, v) : -1;
    }
}

int wr_mp_next(const uint8_t **at, const uint8_t *end, struct wr_mp *ret)
{
    const uint8_t *p = *at;
    if (p == end)
        return 0;
    uint8_t head = *p++;
    int rc = 1;
    *ret = (struct wr_mp){.type = WR_MP_INT};
    if (head < 0x80) {
        ret->i = head;
    } else if (head >= 0xe0) {
        ret->i = (int8_t)head;
    } else if (head < 0xc0) {
        ret->type = head < 0x90 ? WR_MP_MAP : head < 0xa0 ? WR_MP_ARRAY : WR_MP_STR;
        ret->n = head < 0xa0 ? head & 15u : head & 31u;
        rc = ret->type == WR_MP_STR ? content(&p, end, ret) : 1;
    } else {
        rc = of_head(&p, end, head, ret);
    }
    if (rc == 1)
        *at = p;
    return rc;
}

int wr_mp_span_feed(struct wr_mp_span *span, const uint8_t *data, size_t len)
{
    if (span->at == 0 && span->depth == 0)
        span->left[0] = 1;
    for (;;) {
        const uint8_t *at = data + span->at;
        struct wr_mp v;
        int rc = wr_mp_next(&at, data + len, &v);
        if (rc != 1)
            return rc;
        span->at = (size_t)(at - data);
        span->left[span->depth]--;
        uint64_t inside = v.type == WR_MP_ARRAY ? v.n : v.type == WR_MP_MAP ? 2 * (uint64_t)v.n : 0;
        if (inside) {
            if (span->depth + 1 == WR_MP_DEPTH)
                return -1;
            span->left[++span->depth] = inside;
        }
        while (span->depth && span->left[span->depth] == 0)
            span->depth--;
        if (span->depth == 0 && span->left[0] == 0)
            return 1;
    }
}

/* ---- as JSON ---- */

static void put_time(struct wr_buf *out, const uint8_t *p)
{
    int64_t ns = (int64_t)wr_be(p, 4) * 1000000000 + (int64_t)wr_be(p + 4, 4);
    wr_buf_char(out, '"');
    wr_ticks_datetime(out, wr_ticks_of_unix_ns(ns));
    wr_buf_char(out, '"');
}

static void put_scalar(struct wr_buf *out, const struct wr_mp *v)
{
    switch (v->type) {
    case WR_MP_BOOL:
        wr_buf_str(out, v->b ? "true" : "false");
        break;
    case WR_MP_INT:
        wr_buf_i64(out, v->i);
        break;
    case WR_MP_UINT:
        wr_buf_fmt(out, "%" PRIu64, v->u);
        break;
    case WR_MP_REAL:
        if (isfinite(v->r))
            wr_buf_fmt(out, "%.17g", v->r);
        else
            wr_buf_str(out, "null");
        break;
    case WR_MP_STR:
    case WR_MP_BIN:
        wr_json_str(out, (const char *)v->p, v->n);
        break;
    case WR_MP_EXT:
        if (v->ext == 0 && v->n == 8) {
            put_time(out, v->p);
            break;
        }
        wr_buf_str(out, "null");
        break;
    default:
        wr_buf_str(out, "null");
        break;
    }
}

static bool put_value(const uint8_t **at, const uint8_t *end, struct wr_buf *out, int depth);

static bool put_key(const uint8_t **at, const uint8_t *end, struct wr_buf *out, int depth)
{
    struct wr_mp key;
    const uint8_t *before = *at;
    if (wr_mp_next(at, end, &key) != 1)
        return false;
    if (key.type == WR_MP_STR || key.type == WR_MP_BIN) {
        wr_json_str(out, (const char *)key.p, key.n);
    } else if (key.type == WR_MP_ARRAY || key.type == WR_MP_MAP) {
        struct wr_buf gone = {0}; /* JSON has no such key */
        *at = before;
        bool ok = put_value(at, end, &gone, depth + 1);
        wr_buf_fini(&gone);
        wr_buf_str(out, "\"\"");
        return ok;
    } else {
        wr_buf_char(out, '"');
        put_scalar(out, key.type == WR_MP_EXT ? &(struct wr_mp){0} : &key);
        wr_buf_char(out, '"');
    }
    return true;
}

static bool put_value(const uint8_t **at, const uint8_t *end, struct wr_buf *out, int depth)
{
    struct wr_mp v;
    if (depth == WR_MP_DEPTH || wr_mp_next(at, end, &v) != 1)
        return false;
    if (v.type != WR_MP_ARRAY && v.type != WR_MP_MAP) {
        put_scalar(out, &v);
        return true;
    }
    bool map = v.type == WR_MP_MAP;
    wr_buf_char(out, map ? '{' : '[');
    for (uint32_t i = 0; i < v.n; i++) {
        if (i)
            wr_buf_char(out, ',');
        if (map && !put_key(at, end, out, depth))
            return false;
        if (map)
            wr_buf_char(out, ':');
        if (!put_value(at, end, out, depth + 1))
            return false;
    }
    wr_buf_char(out, map ? '}' : ']');
    return true;
}

bool wr_mp_json(const uint8_t **at, const uint8_t *end, struct wr_buf *out)
{
    return put_value(at, end, out, 0);
}
