#include "parsers/log/event.h"

#include "base/buf.h"
#include "parsers/log/header.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

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
    if (memcmp(v->s, text, n) == 0)
        return true;
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
static bool fits(enum wr_table table, uint16_t col, enum wr_type type, int64_t v)
{
    bool whole_int = type != WR_INT || (v >= INT32_MIN && v <= INT32_MAX);
    if (table != WR_TABLE_DEVICE_NETWORK_EVENTS)
        return whole_int;
    switch (col) {
    case WR_DNE_RemotePort:
    case WR_DNE_LocalPort:
        return v >= 0 && v <= UINT16_MAX;
    case WR_DNE_SentBytes:
    case WR_DNE_ReceivedBytes:
    case WR_DNE_EventCount:
        return v >= 0;
    default:
        return whole_int;
    }
}

/* A dynamic value: an object or array as it is; text that holds one (Defender sends AdditionalFields so) is
 * read; other text becomes a JSON string. */
static bool fill_dynamic(struct wr_event *ev, struct wr_batch *b, uint16_t col, uint32_t row)
{
    const struct wr_json_val *v = wr_event_val(ev, col);
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

static bool val_real(const struct wr_json_val *v, double *ret)
{
    int64_t i;
    char text[64], *end;
    if (v->type == WR_JSON_REAL) {
        *ret = v->r;
        return true;
    }
    if (wr_val_i64(v, &i)) {
        *ret = (double)i;
        return true;
    }
    if (v->type != WR_JSON_STR || v->len == 0 || v->len >= sizeof text)
        return false;
    memcpy(text, v->s, v->len);
    text[v->len] = '\0';
    *ret = strtod(text, &end);
    return *end == '\0' && isfinite(*ret);
}

static bool fill_col(struct wr_event *ev, struct wr_batch *b, uint16_t col, uint32_t row)
{
    const struct wr_json_val *v = wr_event_val(ev, col);
    enum wr_type type = b->schema->cols[col].type;
    const char *s;
    size_t n;
    int64_t i;
    double r;
    switch (type) {
    case WR_STRING:
        return wr_val_text(ev->json, ev->scratch, v, &s, &n) && wr_batch_set_str(b, col, row, s, n);
    case WR_DYNAMIC:
        return fill_dynamic(ev, b, col, row);
    case WR_DATETIME:
        if (wr_val_time(v, &i))
            wr_batch_set_i64(b, col, row, i);
        return true;
    case WR_REAL:
        if (val_real(v, &r))
            wr_batch_set_real(b, col, row, r);
        return true;
    default:
        if (wr_val_i64(v, &i) && fits(ev->table, col, type, i))
            wr_batch_set_i64(b, col, row, type == WR_BOOL ? i != 0 : i);
        return true;
    }
}

uint16_t wr_event_type_col(enum wr_table table)
{
    switch (table) {
    case WR_TABLE_DEVICE_NETWORK_EVENTS:
    case WR_TABLE_FLOW_ORPHANS:
        return WR_DNE_Type;
    case WR_TABLE_SYSLOG:
        return WR_SYSLOG_Type;
    case WR_TABLE_ASIM_NETWORK_SESSION_LOGS:
        return WR_NETSESSION_Type;
    case WR_TABLE_ASIM_DNS_ACTIVITY_LOGS:
        return WR_DNS_Type;
    case WR_TABLE_COMMON_SECURITY_LOG:
        return WR_CSL_Type;
    case WR_TABLE_DEVICE_PROCESS_EVENTS:
        return WR_DPE_Type;
    default:
        return WR_NO_COL;
    }
}

bool wr_event_fill(struct wr_event *ev, struct wr_batch *batch, uint32_t row)
{
    wr_batch_set_i64(batch, WR_TIME_COL, row, ev->time);
    for (size_t w = 0; w < sizeof ev->have.bits / sizeof *ev->have.bits; w++) {
        uint64_t todo = ev->have.bits[w] & batch->wanted.bits[w] & ~(uint64_t)(w == 0 && WR_TIME_COL == 0);
        while (todo) {
            uint16_t col = (uint16_t)(w * 64 + (unsigned)__builtin_ctzll(todo));
            todo &= todo - 1;
            if (wr_event_has(ev, col) && !fill_col(ev, batch, col, row))
                return false;
        }
    }
    uint16_t type = wr_event_type_col(ev->table);
    const char *name = batch->schema->name;
    return type == WR_NO_COL || wr_batch_set_str(batch, type, row, name, strlen(name));
}
