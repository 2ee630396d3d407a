/* What an endpoint's event tells the table: read once, from a batch's row or from a packed one. */
#include "base/ticks.h"
#include "parsers/conn/address.h"
#include "parsers/conn/table.h"

#include <string.h>

/* What a column is for: bits of conn->column. */
enum { KEEP = 0x80, TEXT = 0x40, NUMBER = 0x20, STRING = WR_COL_TEXT, STORED = 0x08, WHICH = 0x07 };
_Static_assert(WR_TOLD_TEXTS <= WHICH + 1 && WR_TOLD_NUMBERS <= WHICH + 1, "their numbers fit");

static const uint16_t texts[WR_TOLD_TEXTS] = {WR_DNE_DeviceName, WR_DNE_ActionType,
                                              WR_DNE_LocalIP,    WR_DNE_RemoteIP,
                                              WR_DNE_Protocol,   WR_DNE_RemoteUrl, WR_DNE__Application};
static const uint16_t numbers[WR_TOLD_NUMBERS] = {WR_DNE_Timestamp,     WR_DNE_LocalPort,
                                                  WR_DNE_RemotePort,    WR_DNE_SentBytes,
                                                  WR_DNE_ReceivedBytes, WR_DNE_ReportId};

void wr_told_init(struct wr_conn *c)
{
    const struct wr_schema *schema = wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS);
    for (uint16_t col = 0; col < WR_DNE_NCOLS; col++) {
        c->column[col] = wr_colset_has(&c->kept_seen, col) ? KEEP : 0;
        c->column[col] |= wr_type_is_str(schema->cols[col].type) ? STRING : 0;
        c->column[col] |= schema->cols[col].store == col ? STORED : 0;
    }
    for (uint8_t k = 0; k < WR_TOLD_TEXTS; k++)
        c->column[texts[k]] |= TEXT | k;
    for (uint8_t k = 0; k < WR_TOLD_NUMBERS; k++)
        c->column[numbers[k]] |= NUMBER | k;
}

static const struct wr_who nothing = {.at = (const uint8_t *)""};

static bool has(const struct wr_told *t, int number)
{
    return t->numbers >> number & 1;
}

static bool port_of(const struct wr_told *t, int number, uint16_t *ret_port)
{
    if (!has(t, number) || t->number[number] < 0 || t->number[number] > UINT16_MAX)
        return false;
    *ret_port = (uint16_t)t->number[number];
    return true;
}

static bool is(const struct wr_who *s, const char *text, size_t len)
{
    return s->len == len && memcmp(s->at, text, len) == 0;
}
#define IS(s, text) is(s, text, sizeof text - 1)

/* *ret_opens: such an event says that a connection began. Others (listening, inspected, attempted
 * before it succeeded) are rows of their own, without bytes. */
static uint8_t action_of(const struct wr_who *s, bool *ret_opens)
{
    *ret_opens = true;
    if (IS(s, "ConnectionSuccess") || IS(s, "ConnectionFound"))
        return WR_ACTION_SUCCESS;
    if (IS(s, "ConnectionFailed"))
        return WR_ACTION_FAILED;
    if (IS(s, "InboundConnectionAccepted"))
        return WR_ACTION_INBOUND;
    if (IS(s, "ConnectionRequest"))
        return WR_ACTION_REQUEST;
    *ret_opens = false;
    return WR_ACTION_SUCCESS;
}

static bool address_of(const struct wr_who *s, uint8_t addr[16], bool *ret_v6)
{
    return wr_address_parse((const char *)s->at, s->len, addr, ret_v6);
}

/* `*` in the pattern stands for any text; case does not matter. */
static bool matches(const char *pattern, const char *text, size_t len)
{
    const char *star = NULL, *end = text + len, *resume = NULL;
    while (text < end) {
        char p = wr_ascii_lower(*pattern), t = wr_ascii_lower(*text);
        if (p == '*') {
            star = ++pattern;
            resume = text;
        } else if (p && p == t) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

/* The event's sensor tells of some connections only. */
static bool is_capped(const struct wr_conn *c, const struct wr_told *t)
{
    const struct wr_who *device = &t->text[WR_TOLD_DEVICE];
    for (uint32_t i = 0; i < c->opts.ncapped_devices; i++)
        if (matches(c->opts.capped_devices[i], (const char *)device->at, device->len))
            return true;
    return c->opts.capped == WR_CAPPED_YES ||
           (c->opts.capped == WR_CAPPED_AUTO && has(t, WR_TOLD_REPORT));
}

static const uint8_t unspecified[16];

/* Its own end is not told (a socket that is not bound yet has none), all else that matters is. */
static bool is_host(struct wr_told *t)
{
    const struct wr_who *proto = &t->text[WR_TOLD_PROTOCOL];
    uint16_t rport;
    bool v6;
    t->proto = 0;
    t->local_port = 0;
    if (!t->text[WR_TOLD_DEVICE].len || !address_of(&t->text[WR_TOLD_REMOTE_IP], t->addr[1], &v6) ||
        (t->local && v6 != t->v6) || !port_of(t, WR_TOLD_REMOTE_PORT, &rport) || !rport ||
        wr_words_same(t->addr[1], unspecified, 16))
        return false;
    t->v6 = v6;
    (void)port_of(t, WR_TOLD_LOCAL_PORT, &t->local_port);
    return !proto->len || (wr_protocol_parse((const char *)proto->at, proto->len, &t->proto) && !wr_is_icmp(t->proto));
}

/* What follows from the columns. */
static void understand(const struct wr_conn *c, struct wr_told *t)
{
    uint16_t lport = 0, rport = 0;
    bool v6, opens;
    uint8_t proto;
    t->action = action_of(&t->text[WR_TOLD_ACTION], &opens);
    t->capped = is_capped(c, t);
    t->host = false;
    t->local = address_of(&t->text[WR_TOLD_LOCAL_IP], t->addr[0], &t->v6) && !wr_words_same(t->addr[0], unspecified, 16);
    if (t->local)
        t->agent_hash = wr_agent_hash(c, t->addr[0], t->v6);
    t->opens = opens && t->local && address_of(&t->text[WR_TOLD_REMOTE_IP], t->addr[1], &v6) &&
               v6 == t->v6 &&
               wr_protocol_parse((const char *)t->text[WR_TOLD_PROTOCOL].at,
                                 t->text[WR_TOLD_PROTOCOL].len, &proto) &&
               (wr_is_icmp(proto) || (port_of(t, WR_TOLD_LOCAL_PORT, &lport) &&
                                      port_of(t, WR_TOLD_REMOTE_PORT, &rport)));
    if (!t->opens) {
        t->host = opens && is_host(t);
        return;
    }
    t->open = (struct wr_opening){0};
    t->open.side = wr_key_make(&t->open.key, t->addr[0], lport, t->addr[1], rport, proto, v6);
    t->open.hash = wr_table_hash(c, &t->open.key);
}

enum wr_err wr_told_of_row(struct wr_conn *c, const struct wr_batch *b, uint32_t row,
                           struct wr_told *ret_t)
{
    struct wr_told *t = ret_t;
    t->numbers = 0;
    for (int k = 0; k < WR_TOLD_TEXTS; k++) {
        const struct wr_str *s = b->col[texts[k]].s;
        t->text[k] =
            s ? (struct wr_who){(const uint8_t *)wr_str_data(&s[row]), s[row].len} : nothing;
    }
    for (int k = 0; k < WR_TOLD_NUMBERS; k++) {
        const struct wr_vec *v = &b->col[numbers[k]];
        if (!v->i || !wr_vec_valid(v, row))
            continue;
        t->number[k] = v->i[row];
        t->numbers |= (uint8_t)(1 << k);
    }
    t->at = c->event.len;
    wr_row_pack_some(b, row, &c->kept_seen, &c->event);
    t->len = (uint32_t)(c->event.len - t->at);
    understand(c, t);
    return c->event.err ? WR_ENOMEM : WR_OK;
}

/* As wr_row_col() reads a column, by what this table knows of it. */
static inline bool next_col(const struct wr_conn *c, const uint8_t **at, const uint8_t *end, struct wr_who *ret_value,
                            uint8_t *ret_use)
{
    struct wr_packed_col f;
    const int col = wr_row_col_number(*at, end);
    if (col < 0 || col >= WR_DNE_NCOLS || !(c->column[col] & STORED) ||
        !wr_row_col_value(at, end, c->column[col] & STRING, &f))
        return false;
    *ret_value = (struct wr_who){f.at, f.len};
    *ret_use = c->column[col];
    return true;
}

/* Columns that stay, as they are: `n` bytes that there is room for. */
static inline void keep(struct wr_buf *kept, const uint8_t *from, size_t n)
{
    memcpy(kept->data + kept->len, from, n);
    kept->len += n;
}

enum wr_err wr_told_of_packed(struct wr_conn *c, const struct wr_packed *packed,
                              struct wr_told *ret_t)
{
    const uint8_t *at = packed->bytes, *end = packed->len ? at + packed->len : at, *run = NULL;
    struct wr_told *t = ret_t;
    struct wr_who value;
    uint8_t use;
    if (!wr_buf_room(&c->event, packed->len))
        return WR_ENOMEM;
    for (int k = 0; k < WR_TOLD_TEXTS; k++)
        t->text[k] = nothing;
    t->numbers = 0;
    t->at = c->event.len;
    while (at < end) {
        const uint8_t *from = at;
        if (!next_col(c, &at, end, &value, &use)) {
            c->event.len = t->at;
            return WR_ECORRUPT;
        }
        if (use & TEXT) {
            t->text[use & WHICH] = value;
        } else if (use & NUMBER) {
            t->number[use & WHICH] = (int64_t)wr_le64(value.at);
            t->numbers |= (uint8_t)(1 << (use & WHICH));
        }
        if (use & KEEP) {
            run = run ? run : from;
        } else if (run) {
            keep(&c->event, run, (size_t)(from - run));
            run = NULL;
        }
    }
    if (run)
        keep(&c->event, run, (size_t)(end - run));
    t->len = (uint32_t)(c->event.len - t->at);
    understand(c, t);
    return WR_OK;
}

/* Event time in ns since 1970, within what ns can hold. */
int64_t wr_told_when(const struct wr_conn *c, const struct wr_told *t)
{
    if (!has(t, WR_TOLD_TIME))
        return c->now;
    if (t->number[WR_TOLD_TIME] < WR_TICKS_UNIX_EPOCH)
        return 0;
    int64_t ticks = t->number[WR_TOLD_TIME] - WR_TICKS_UNIX_EPOCH;
    return ticks > WR_TIME_MAX / 100 ? WR_TIME_MAX : ticks * 100;
}

int64_t wr_told_bytes(const struct wr_told *t, int number)
{
    return has(t, number) && t->number[number] >= 0 ? t->number[number] : -1;
}
