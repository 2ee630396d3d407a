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
        if (schema->cols[col].store == col) /* of others no packed row has any */
            c->column[col] |= STORED | (wr_type_is_str(schema->cols[col].type) ? STRING : 0);
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

enum wr_err wr_told_of_row(const struct wr_conn *c, const struct wr_batch *b, uint32_t row, struct wr_buf *kept,
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
    t->at = kept->len;
    wr_row_pack_some(b, row, &c->kept_seen, kept);
    t->len = (uint32_t)(kept->len - t->at);
    understand(c, t);
    return kept->err ? WR_ENOMEM : WR_OK;
}

/* Columns that stay, as they are; there is room for them. */
static inline char *keep(char *to, const uint8_t *from, const uint8_t *end)
{
    if (from == end)
        return to;
    memcpy(to, from, (size_t)(end - from));
    return to + (end - from);
}

/* Reads the columns and keeps those that stay; *kept moves behind them. False: it is no packed row. */
static bool read_packed(const uint8_t *column, const uint8_t *at, const uint8_t *end, struct wr_told *t, char **kept)
{
    const uint8_t *run = at; /* columns that stay, from there on */
    unsigned told = 0;
    char *to = *kept;
    while (end - at >= 6) {
        const unsigned col = at[0] | (unsigned)at[1] << 8;
        if (col >= WR_DNE_NCOLS)
            return false;
        const unsigned use = column[col];
        const uint8_t *from = at;
        if (use & STRING) {
            const uint32_t len = wr_le32(at + 2);
            if (len > (size_t)(end - at) - 6)
                return false;
            if (use & TEXT)
                t->text[use & WHICH] = (struct wr_who){at + 6, len};
            at += 6 + len;
        } else {
            if (!(use & STORED) || end - at < 10)
                return false;
            if (use & NUMBER) {
                t->number[use & WHICH] = (int64_t)wr_le64(at + 2);
                told |= 1u << (use & WHICH);
            }
            at += 10;
        }
        if (use & KEEP)
            continue;
        to = keep(to, run, from);
        run = at;
    }
    t->numbers = (uint8_t)told;
    *kept = keep(to, run, end);
    return at == end;
}

enum wr_err wr_told_of_packed(const struct wr_conn *c, const struct wr_packed *packed, struct wr_buf *kept,
                              struct wr_told *ret_t)
{
    struct wr_told *t = ret_t;
    const uint8_t *at = packed->len ? packed->bytes : (const uint8_t *)"";
    char *to = wr_buf_room(kept, packed->len + 1);
    if (!to)
        return WR_ENOMEM;
    for (int k = 0; k < WR_TOLD_TEXTS; k++)
        t->text[k] = nothing;
    t->at = kept->len;
    if (!read_packed(c->column, at, at + packed->len, t, &to))
        return WR_ECORRUPT;
    kept->len = (size_t)(to - kept->data);
    t->len = (uint32_t)(kept->len - t->at);
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
