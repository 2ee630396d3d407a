#include "parsers/log/forward.h"

#include "base/ticks.h"
#include "base/wire.h"

#include <math.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

static bool is_text(const struct wr_mp *v)
{
    return v->type == WR_MP_STR || v->type == WR_MP_BIN;
}

static bool text_is(const struct wr_mp *v, const char *word)
{
    return is_text(v) && v->n == strlen(word) && !memcmp(v->p, word, v->n);
}

/* Passes over one value. */
static bool skip(const uint8_t **at, const uint8_t *end)
{
    struct wr_mp_span span = {0};
    if (wr_mp_span_feed(&span, *at, (size_t)(end - *at)) != 1)
        return false;
    *at += span.at;
    return true;
}

static enum wr_err read_option(const uint8_t **at, const uint8_t *end, struct wr_forward_msg *msg)
{
    struct wr_mp map, key, v;
    if (wr_mp_next(at, end, &map) != 1 || (map.type != WR_MP_MAP && map.type != WR_MP_NIL))
        return WR_EINVAL;
    for (uint32_t i = 0; i < map.n; i++) {
        if (wr_mp_next(at, end, &key) != 1 || !is_text(&key))
            return WR_EINVAL;
        const uint8_t *before = *at;
        if (!skip(at, end))
            return WR_EINVAL;
        const uint8_t *p = before;
        if (wr_mp_next(&p, *at, &v) != 1)
            return WR_EINVAL;
        if (text_is(&key, "chunk") && v.type != WR_MP_NIL) {
            if (!is_text(&v) || *at - before > WR_FORWARD_MAX_CHUNK_ID)
                return WR_EINVAL;
            msg->chunk = before;
            msg->chunk_len = (uint32_t)(*at - before);
        } else if (text_is(&key, "compressed") && is_text(&v)) {
            msg->packing = text_is(&v, "gzip") ? WR_FORWARD_GZIP : text_is(&v, "zstd") ? WR_FORWARD_ZSTD : WR_FORWARD_PLAIN;
            if (!msg->packing && !text_is(&v, "text"))
                return WR_EUNSUPPORTED;
        }
    }
    return WR_OK;
}

enum wr_err wr_forward_read(const uint8_t *bytes, size_t len, struct wr_forward_msg *ret_msg)
{
    const uint8_t *at = bytes, *end = bytes + len;
    struct wr_mp all, tag, second;
    *ret_msg = (struct wr_forward_msg){0};
    if (wr_mp_next(&at, end, &all) != 1)
        return WR_EINVAL;
    ret_msg->keepalive = all.type == WR_MP_NIL;
    if (ret_msg->keepalive)
        return WR_OK;
    if (all.type != WR_MP_ARRAY || all.n < 2 || wr_mp_next(&at, end, &tag) != 1 || !is_text(&tag))
        return WR_EINVAL;
    ret_msg->tag = (const char *)tag.p;
    ret_msg->tag_len = tag.n;
    const uint8_t *begin = at;
    if (wr_mp_next(&at, end, &second) != 1)
        return WR_EINVAL;
    /* [tag, [[time, record]..]] and [tag, [time, metadata], record] both have an array there */
    struct wr_mp first = {0};
    const uint8_t *peek = at;
    bool array = second.type == WR_MP_ARRAY;
    bool pair = array && second.n == 2 && wr_mp_next(&peek, end, &first) == 1 && first.type != WR_MP_ARRAY;
    if (is_text(&second)) {
        ret_msg->at = second.p;
        ret_msg->end = second.p + second.n;
        ret_msg->count = UINT32_MAX;
    } else if (array && !pair) {
        ret_msg->at = at;
        ret_msg->count = second.n;
        at = begin;
        if (!skip(&at, end))
            return WR_EINVAL;
        ret_msg->end = at;
    } else {
        ret_msg->single = true;
        ret_msg->at = begin;
        ret_msg->count = 1;
        at = begin;
        if (all.n < 3 || !skip(&at, end) || !skip(&at, end))
            return WR_EINVAL;
        ret_msg->end = at;
    }
    bool option = all.n > (ret_msg->single ? 3u : 2u);
    enum wr_err err = option ? read_option(&at, end, ret_msg) : WR_OK;
    if (!err && ret_msg->packing && ret_msg->count != UINT32_MAX)
        return WR_EINVAL; /* only packed entries are compressed */
    return err;
}

/* Unix nanoseconds of a Time; false: none. */
static bool read_time(const uint8_t **at, const uint8_t *end, int64_t *ret_ns)
{
    struct wr_mp v;
    if (wr_mp_next(at, end, &v) != 1)
        return false;
    if (v.type == WR_MP_ARRAY) { /* v1.5: [time, metadata] */
        if (v.n != 2 || wr_mp_next(at, end, &v) != 1 || v.type == WR_MP_ARRAY)
            return false;
        if (!skip(at, end))
            return false;
    }
    const int64_t most = INT64_MAX / 1000000000 - 1;
    if (v.type == WR_MP_EXT && v.ext == 0 && v.n == 8)
        *ret_ns = (int64_t)wr_be(v.p, 4) * 1000000000 + (int64_t)wr_be(v.p + 4, 4);
    else if (v.type == WR_MP_INT && v.i >= 0 && v.i <= most)
        *ret_ns = v.i * 1000000000;
    else if (v.type == WR_MP_REAL && v.r >= 0 && v.r <= (double)most)
        *ret_ns = (int64_t)(v.r * 1e9);
    else
        return false;
    return true;
}

/* What decides the form of a record's frame. */
struct look {
    struct wr_mp text; /* of log, message or MESSAGE */
    bool has_text, has_time, has_tag, message_alone;
};

static bool begins(const struct wr_mp *v, const char *word)
{
    size_t n = strlen(word);
    return v->n > n && !memcmp(v->p, word, n);
}

/* A text that is a message by itself: JSON, XML, syslog, CEF. */
static bool is_message(const struct wr_mp *v)
{
    return begins(v, "{") || begins(v, "<") || begins(v, "CEF:") || begins(v, "LEEF:") || begins(v, "@cee:");
}

static bool look_at(const uint8_t *at, const uint8_t *end, struct look *ret)
{
    struct wr_mp map, key, v;
    *ret = (struct look){0};
    if (wr_mp_next(&at, end, &map) != 1 || map.type != WR_MP_MAP)
        return false;
    for (uint32_t i = 0; i < map.n; i++) {
        if (wr_mp_next(&at, end, &key) != 1)
            return false;
        if (key.type == WR_MP_ARRAY || key.type == WR_MP_MAP)
            return false;
        const uint8_t *p = at;
        if (!skip(&at, end) || wr_mp_next(&p, at, &v) != 1)
            return false;
        if (is_text(&v) && (text_is(&key, "log") || text_is(&key, "message") || text_is(&key, "MESSAGE"))) {
            ret->has_text = true;
            ret->text = v;
        }
        ret->has_time |= text_is(&key, "@timestamp");
        ret->has_tag |= text_is(&key, "_tag");
    }
    ret->message_alone = ret->has_text && (map.n <= 3 || is_message(&ret->text));
    return true;
}

static bool put_record(struct wr_forward_msg *msg, int64_t ns, struct wr_buf *frame)
{
    struct look look;
    const uint8_t *at = msg->at;
    if (!look_at(at, msg->end, &look))
        return false;
    if (look.message_alone) {
        wr_buf_add(frame, look.text.p, look.text.n);
        msg->at = at;
        return skip(&msg->at, msg->end) && !frame->err;
    }
    struct wr_buf json = {0};
    wr_buf_char(frame, '{');
    if (!look.has_time) {
        wr_buf_str(frame, "\"@timestamp\":\"");
        wr_ticks_datetime(frame, wr_ticks_of_unix_ns(ns));
        wr_buf_str(frame, "\",");
    }
    if (!look.has_tag) {
        wr_buf_str(frame, "\"_tag\":");
        wr_json_str(frame, msg->tag, msg->tag_len);
        wr_buf_char(frame, ',');
    }
    bool ok = wr_mp_json(&msg->at, msg->end, &json) && !json.err;
    if (ok && json.len == 2)
        frame->len -= frame->len > 1; /* an empty record: no comma before the bracket */
    if (ok)
        wr_buf_add(frame, json.data + 1, json.len - 1);
    wr_buf_fini(&json);
    return ok && !frame->err;
}

int wr_forward_entry(struct wr_forward_msg *msg, struct wr_buf *frame)
{
    struct wr_mp pair;
    int64_t ns;
    wr_buf_reset(frame);
    if (msg->keepalive || msg->count == 0 || msg->at == msg->end)
        return msg->count == 0 || msg->count == UINT32_MAX || msg->keepalive ? 0 : -1;
    const uint8_t *after = msg->at;
    if (!msg->single && !skip(&after, msg->end))
        return -1; /* where the next one begins is not known */
    bool good = msg->single || (wr_mp_next(&msg->at, msg->end, &pair) == 1 && pair.type == WR_MP_ARRAY && pair.n == 2);
    good = good && read_time(&msg->at, msg->end, &ns) && put_record(msg, ns, frame);
    if (msg->count != UINT32_MAX)
        msg->count--;
    if (!msg->single)
        msg->at = after;
    return good ? 1 : msg->single ? -1 : 2;
}

enum { STEP = 65536, ZSTD_WINDOW_LOG = 23 };

static enum wr_err unzstd(const uint8_t *bytes, size_t len, size_t max, struct wr_buf *out)
{
    ZSTD_DCtx *z = ZSTD_createDCtx();
    if (!z || ZSTD_isError(ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG))) {
        ZSTD_freeDCtx(z);
        return WR_ENOMEM;
    }
    enum wr_err err = WR_OK;
    ZSTD_inBuffer in = {.src = bytes, .size = len};
    size_t more = len ? 1 : 0, room_left = 0;
    while (!err && (in.pos < in.size || (more && !room_left))) { /* a full step may hold some back */
        char *room = wr_buf_room(out, STEP);
        if (!room) {
            err = WR_ENOMEM;
            break;
        }
        ZSTD_outBuffer step = {.dst = room, .size = STEP};
        more = ZSTD_decompressStream(z, &step, &in);
        room_left = STEP - step.pos;
        out->len += step.pos;
        if (ZSTD_isError(more))
            err = WR_EINVAL;
        else if (out->len > max)
            err = WR_ELIMIT;
    }
    if (!err && more)
        err = WR_EINVAL; /* it ends in the middle */
    ZSTD_freeDCtx(z);
    return err;
}

enum wr_err wr_forward_inflate(enum wr_forward_packing packing, const uint8_t *bytes, size_t len, size_t max, struct wr_buf *out)
{
    if (packing == WR_FORWARD_ZSTD)
        return unzstd(bytes, len, max, out);
    z_stream z = {.next_in = (Bytef *)bytes, .avail_in = (uInt)len};
    if (len > UINT32_MAX || inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
        return WR_ENOMEM;
    enum wr_err err = WR_OK;
    int rc = Z_OK;
    while (!err && !(rc == Z_STREAM_END && z.avail_in == 0)) {
        char *room = wr_buf_room(out, STEP);
        if (rc == Z_STREAM_END && inflateReset(&z) != Z_OK) /* another member follows */
            err = WR_EINVAL;
        if (!room || err) {
            err = err ? err : WR_ENOMEM;
            break;
        }
        z.next_out = (Bytef *)room;
        z.avail_out = STEP;
        rc = inflate(&z, Z_NO_FLUSH);
        out->len += STEP - z.avail_out;
        if (rc != Z_OK && rc != Z_STREAM_END)
            err = WR_EINVAL;
        else if (out->len > max)
            err = WR_ELIMIT;
        else if (rc == Z_OK && z.avail_in == 0 && z.avail_out)
            err = WR_EINVAL; /* it ends in the middle */
    }
    inflateEnd(&z);
    return err;
}
