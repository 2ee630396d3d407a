#include "parsers/log/event.h"

#include "base/buf.h"
#include "parsers/log/header.h"

#include <inttypes.h>
#include <stdio.h>

void wr_event_set_text(struct wr_event *ev, uint16_t col, const char *text, size_t len)
{
    struct wr_json_val v = {.type = WR_JSON_STR, .len = (uint32_t)len, .s = text};
    wr_event_set(ev, col, &v);
}

/* Decimal digits, with a sign. */
static bool text_i64(const char *s, size_t len, int64_t *ret)
{
    bool neg = len && *s == '-';
    uint64_t v = 0;
    size_t i = neg;
    if (i == len || len - i > 19)
        return false;
    for (; i < len; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        v = v * 10 + (uint64_t)(s[i] - '0');
    }
    if (v > INT64_MAX)
        return false;
    *ret = neg ? -(int64_t)v : (int64_t)v;
    return true;
}

bool wr_val_i64(const struct wr_json_val *v, int64_t *ret)
{
    switch (v->type) {
    case WR_JSON_INT:
        *ret = v->i;
        return true;
    case WR_JSON_BOOL:
        *ret = v->b;
        return true;
    case WR_JSON_REAL:
        if (!(v->r > -9e15 && v->r < 9e15) || v->r != (double)(int64_t)v->r)
            return false;
        *ret = (int64_t)v->r;
        return true;
    case WR_JSON_STR:
        if (wr_val_is(v, "true") || wr_val_is(v, "false")) {
            *ret = v->len == 4;
            return true;
        }
        return text_i64(v->s, v->len, ret);
    default:
        return false;
    }
}

bool wr_val_time(const struct wr_json_val *v, int64_t *ret_ticks)
{
    if (v->type == WR_JSON_STR)
        return wr_time_loose(v->s, v->len, ret_ticks);
    if (v->type == WR_JSON_INT)
        return wr_time_of_epoch_int(v->i, ret_ticks);
    return v->type == WR_JSON_REAL && wr_time_of_epoch(v->r, ret_ticks);
}

bool wr_val_is(const struct wr_json_val *v, const char *text)
{
    size_t n = strlen(text);
    if (v->type != WR_JSON_STR || v->len != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (wr_ascii_lower(v->s[i]) != wr_ascii_lower(text[i]))
            return false;
    return true;
}

bool wr_val_text(struct wr_json *json, struct wr_arena *scratch, const struct wr_json_val *v,
                 const char **ret, size_t *ret_len)
{
    char num[32];
    int n = 0;
    switch (v->type) {
    case WR_JSON_STR:
        *ret = v->s;
        *ret_len = v->len;
        return true;
    case WR_JSON_BOOL:
        *ret = v->b ? "true" : "false";
        *ret_len = v->b ? 4 : 5;
        return true;
    case WR_JSON_INT:
        n = snprintf(num, sizeof num, "%" PRId64, v->i);
        break;
    case WR_JSON_UINT:
        n = snprintf(num, sizeof num, "%" PRIu64, v->u);
        break;
    case WR_JSON_REAL:
        n = snprintf(num, sizeof num, "%.17g", v->r);
        break;
    case WR_JSON_OBJECT:
    case WR_JSON_ARRAY:
        return wr_json_text(json, v, ret, ret_len);
    default:
        return false;
    }
    *ret = wr_arena_strndup(scratch, num, (size_t)n);
    *ret_len = (size_t)n;
    return *ret != NULL;
}

/* A number that the column can hold: ports are 16 bits, counters do not run below zero. */
static bool fits(uint16_t col, enum wr_type type, int64_t v)
{
    switch (col) {
    case WR_DNE_RemotePort:
    case WR_DNE_LocalPort:
        return v >= 0 && v <= UINT16_MAX;
    case WR_DNE_SentBytes:
    case WR_DNE_ReceivedBytes:
    case WR_DNE_EventCount:
        return v >= 0;
    default:
        return type != WR_INT || (v >= INT32_MIN && v <= INT32_MAX);
    }
}

/* A dynamic value: an object or array as it is; text that holds one (Defender sends AdditionalFields so) is
 * read; other text becomes a JSON string. */
static bool fill_dynamic(struct wr_event *ev, struct wr_batch *b, uint16_t col, uint32_t row)
{
    const struct wr_json_val *v = &ev->val[col];
    const char *s;
    size_t n;
    if (v->type == WR_JSON_STR && v->len == 0)
        return true;
    if (v->type == WR_JSON_STR && !wr_json_minify(ev->json, v->s, v->len, &s, &n)) {
        struct wr_buf buf = {0};
        wr_json_str(&buf, v->s, v->len);
        bool ok = !buf.err && wr_batch_set_str(b, col, row, buf.data, buf.len);
        wr_buf_fini(&buf);
        return ok;
    }
    if (v->type != WR_JSON_STR && !wr_val_text(ev->json, ev->scratch, v, &s, &n))
        return false;
    return wr_batch_set_str(b, col, row, s, n);
}

static bool fill_col(struct wr_event *ev, struct wr_batch *b, uint16_t col, uint32_t row)
{
    const struct wr_json_val *v = &ev->val[col];
    enum wr_type type = b->schema->cols[col].type;
    const char *s;
    size_t n;
    int64_t i;
    switch (type) {
    case WR_STRING:
        return wr_val_text(ev->json, ev->scratch, v, &s, &n) && wr_batch_set_str(b, col, row, s, n);
    case WR_DYNAMIC:
        return fill_dynamic(ev, b, col, row);
    case WR_DATETIME:
        if (wr_val_time(v, &i))
            wr_batch_set_i64(b, col, row, i);
        return true;
    default:
        if (wr_val_i64(v, &i) && fits(col, type, i))
            wr_batch_set_i64(b, col, row, type == WR_BOOL ? i != 0 : i);
        return true;
    }
}

bool wr_event_fill(struct wr_event *ev, struct wr_batch *batch, uint32_t row)
{
    uint64_t todo = ev->have & batch->wanted.bits[0] & ~(UINT64_C(1) << WR_DNE_Timestamp);
    wr_batch_set_i64(batch, WR_DNE_Timestamp, row, ev->time);
    while (todo) {
        uint16_t col = (uint16_t)__builtin_ctzll(todo);
        todo &= todo - 1;
        if (ev->val[col].type != WR_JSON_NULL && !fill_col(ev, batch, col, row))
            return false;
    }
    return wr_batch_set_str(batch, WR_DNE_Type, row, "DeviceNetworkEvents", 19);
}
