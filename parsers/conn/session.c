/* A connection as ASimNetworkSessionLogs shows it: Src began it, Dst answered. Column names, values
 * and what stands for what in DeviceNetworkEvents are those of Microsoft's parser for Defender
 * (ASIM network session schema 0.2.6). */
#include "parsers/conn/table.h"

#include "base/ticks.h"
#include "parsers/conn/address.h"

#include <stdio.h>
#include <string.h>

#define COL(name) WR_NETSESSION_##name

/* The columns of one end. */
struct end {
    uint16_t ip, port, bytes, packets;
    uint16_t hostname, fqdn, domain, domain_type, dvc_id, dvc_id_type;
    uint16_t username, username_type, user_id, user_id_type, app, app_type;
};
#define END(p)                                                                                     \
    {                                                                                              \
        .ip = COL(p##IpAddr), .port = COL(p##PortNumber), .bytes = COL(p##Bytes),                  \
        .packets = COL(p##Packets), .hostname = COL(p##Hostname), .fqdn = COL(p##FQDN),            \
        .domain = COL(p##Domain), .domain_type = COL(p##DomainType), .dvc_id = COL(p##DvcId),      \
        .dvc_id_type = COL(p##DvcIdType), .username = COL(p##Username),                            \
        .username_type = COL(p##UsernameType), .user_id = COL(p##UserId),                          \
        .user_id_type = COL(p##UserIdType), .app = COL(p##AppName), .app_type = COL(p##AppType)    \
    }
static const struct end ends[2] = {END(Src), END(Dst)};

/* A session's column, and the event's column that it is made of. */
static const struct {
    uint16_t to, from;
} sources[] = {
#define BOTH(what, col)                                                                            \
    {COL(Src##what), WR_DNE_##col},                                                                \
    {                                                                                              \
        COL(Dst##what), WR_DNE_##col                                                               \
    }
    BOTH(Hostname, DeviceName),
    BOTH(FQDN, DeviceName),
    BOTH(Domain, DeviceName),
    BOTH(DomainType, DeviceName),
    BOTH(DvcId, DeviceId),
    BOTH(DvcIdType, DeviceId),
    BOTH(Username, InitiatingProcessAccountName),
    BOTH(Username, InitiatingProcessAccountDomain),
    BOTH(UsernameType, InitiatingProcessAccountName),
    BOTH(UsernameType, InitiatingProcessAccountDomain),
    BOTH(UserId, InitiatingProcessAccountSid),
    BOTH(UserIdType, InitiatingProcessAccountSid),
    BOTH(AppName, InitiatingProcessFileName),
    BOTH(AppType, InitiatingProcessFileName),
#undef BOTH
    {COL(SrcProcessName), WR_DNE_InitiatingProcessFileName},
    {COL(SrcProcessId), WR_DNE_InitiatingProcessId},
    {COL(DstHostname), WR_DNE_RemoteUrl},
    {COL(Dvc), WR_DNE_DeviceName},
    {COL(DvcHostname), WR_DNE_DeviceName},
    {COL(DvcFQDN), WR_DNE_DeviceName},
    {COL(DvcId), WR_DNE_DeviceId},
    {COL(NetworkApplicationProtocol), WR_DNE__Application},
};

struct wr_colset wr_session_sources(const struct wr_colset *sessions)
{
    struct wr_colset set = {{0}};
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        if (wr_colset_has(sessions, sources[i].to))
            wr_colset_add(&set, sources[i].from);
    return set;
}

bool wr_session_shows_nat(const struct wr_colset *sessions)
{
    return wr_colset_has(sessions, COL(SrcNatIpAddr)) || wr_colset_has(sessions, COL(SrcNatPortNumber)) ||
           wr_colset_has(sessions, COL(DstNatIpAddr)) || wr_colset_has(sessions, COL(DstNatPortNumber));
}

/* ---- counters -----------------------------------------------------------------------------------
 */

struct figures {
    int64_t end; /* ns; -1 unknown, as the others */
    int64_t bytes[2], packets[2];
};

/* From the initiator (0) and from its peer (1). An endpoint's own figures count where they are
 * greater. */
static struct figures figures_of(const struct wr_conn *c, const struct wr_crow *row)
{
    const struct wr_entry *e = wr_entry_at(c, row->entry);
    struct figures f = {.end = e->flags & WR_CONN_FLOW ? e->last : -1};
    for (int d = 0; d < 2; d++) {
        int dir = d ? !row->side : row->side;
        uint64_t packets = e->flags & WR_CONN_FLOW ? wr_count_packets(c, e, dir) : 0;
        bool known = e->bytes_known >> dir & 1;
        f.bytes[d] = known ? (int64_t)e->bytes[dir] : -1;
        f.packets[d] = packets || known ? (int64_t)packets : -1;
    }
    for (uint32_t r = row->next; r != WR_NONE; r = wr_crow_at(c, r)->next) {
        const struct wr_crow *event = wr_crow_at(c, r);
        for (int d = 0; event->packed && d < 2; d++) {
            int at = event->side == row->side ? d : !d;
            if (event->reported[d] > f.bytes[at])
                f.bytes[at] = event->reported[d];
        }
    }
    return f;
}

bool wr_session_changed(const struct wr_conn *c, const struct wr_crow *row)
{
    struct figures f = figures_of(c, row);
    return f.end != row->told.end || wr_entry_at(c, row->entry)->label != row->told_label ||
           memcmp(f.bytes, row->emitted, sizeof f.bytes) != 0 ||
           memcmp(f.packets, row->told.packets, sizeof f.packets) != 0;
}

void wr_session_told(const struct wr_conn *c, struct wr_crow *row)
{
    struct figures f = figures_of(c, row);
    row->told.end = f.end;
    row->told_label = wr_entry_at(c, row->entry)->label;
    memcpy(row->emitted, f.bytes, sizeof f.bytes);
    memcpy(row->told.packets, f.packets, sizeof f.packets);
}

static int64_t sum(const int64_t v[2])
{
    if (v[0] < 0 || v[1] < 0)
        return -1;
    return v[0] > INT64_MAX - v[1] ? INT64_MAX : v[0] + v[1];
}

/* ms from the row's time to the last record's end; an int. */
static int64_t duration(const struct wr_crow *row, int64_t end)
{
    int64_t ms = (end - wr_ticks_to_unix_ns(row->ticks)) / 1000000;
    return end < 0 ? -1 : ms < 0 ? 0 : ms > INT32_MAX ? INT32_MAX : ms;
}

static void put(struct wr_batch *b, uint16_t col, uint32_t r, int64_t v)
{
    if (v >= 0)
        wr_batch_set_i64(b, col, r, v);
}

static void fill_figures(const struct wr_conn *c, const struct wr_crow *row, struct wr_batch *b,
                         uint32_t r)
{
    struct figures f = figures_of(c, row);
    put(b, COL(SrcBytes), r, f.bytes[0]);
    put(b, COL(DstBytes), r, f.bytes[1]);
    put(b, COL(NetworkBytes), r, sum(f.bytes));
    put(b, COL(SrcPackets), r, f.packets[0]);
    put(b, COL(DstPackets), r, f.packets[1]);
    put(b, COL(NetworkPackets), r, sum(f.packets));
    put(b, COL(NetworkDuration), r, duration(row, f.end));
    int64_t end = f.end < 0 ? row->ticks : wr_ticks_of_unix_ns(f.end);
    wr_batch_set_i64(b, COL(EventEndTime), r, end > row->ticks ? end : row->ticks);
    wr_batch_set_i64(b, COL(_Amend), r, (row->state == WR_ROW_DUE_AMEND ? WR_ROW_AMENDS : 0) | (c->giving_up ? WR_ROW_GIVEN_UP : 0));
    if (row->state != WR_ROW_DUE_AMEND)
        return;
    put(b, COL(_PrevSrcBytes), r, row->emitted[0]);
    put(b, COL(_PrevDstBytes), r, row->emitted[1]);
    put(b, COL(_PrevNetworkBytes), r, sum(row->emitted));
    put(b, COL(_PrevSrcPackets), r, row->told.packets[0]);
    put(b, COL(_PrevDstPackets), r, row->told.packets[1]);
    put(b, COL(_PrevNetworkPackets), r, sum(row->told.packets));
    put(b, COL(_PrevNetworkDuration), r, duration(row, row->told.end));
}

/* ---- who and what -------------------------------------------------------------------------------
 */

static bool set(struct wr_batch *b, uint16_t col, uint32_t r, const char *text)
{
    return wr_batch_set_str(b, col, r, text, strlen(text));
}

static bool copy(struct wr_batch *b, uint16_t col, uint32_t r, const struct wr_str *text)
{
    return wr_batch_set_str(b, col, r, wr_str_data(text), text->len);
}

static const struct wr_str *event_text(const struct wr_conn *c, uint16_t col)
{
    static const struct wr_str none;
    const struct wr_vec *v = &c->view->col[col];
    return v->s ? &v->s[0] : &none;
}

static bool is_address(const struct wr_str *name)
{
    uint8_t addr[16];
    bool v6;
    return wr_address_parse(wr_str_data(name), name->len, addr, &v6);
}

/* `name` with and without its domain; an address has none. */
static bool fill_name(struct wr_batch *b, const struct end *end, uint32_t r,
                      const struct wr_str *name)
{
    const char *text = wr_str_data(name),
               *dot = is_address(name) ? NULL : memchr(text, '.', name->len);
    size_t n = dot ? (size_t)(dot - text) : name->len;
    if (!name->len || !wr_batch_set_str(b, end->hostname, r, text, n))
        return name->len == 0;
    return !dot || (wr_batch_set_str(b, end->fqdn, r, text, name->len) &&
                    wr_batch_set_str(b, end->domain, r, dot + 1, name->len - n - 1) &&
                    set(b, end->domain_type, r, "FQDN"));
}

/* What an agent calls an end of which no event told here. */
static bool fill_known(struct wr_batch *b, const struct end *end, uint32_t r,
                       struct wr_who name)
{
    struct wr_str text;
    return !name.len || (wr_str_copy(b->arena, (const char *)name.at, name.len, &text) &&
                         fill_name(b, end, r, &text));
}

static bool fill_user(struct wr_conn *c, struct wr_batch *b, const struct end *end, uint32_t r)
{
    const struct wr_str *domain = event_text(c, WR_DNE_InitiatingProcessAccountDomain);
    const struct wr_str *name = event_text(c, WR_DNE_InitiatingProcessAccountName);
    const struct wr_str *sid = event_text(c, WR_DNE_InitiatingProcessAccountSid);
    if (sid->len && (!copy(b, end->user_id, r, sid) || !set(b, end->user_id_type, r, "SID")))
        return false;
    if (!name->len)
        return true;
    wr_buf_reset(&c->buf);
    if (domain->len) {
        wr_buf_add(&c->buf, wr_str_data(domain), domain->len);
        wr_buf_char(&c->buf, '\\');
    }
    wr_buf_add(&c->buf, wr_str_data(name), name->len);
    return !c->buf.err && wr_batch_set_str(b, end->username, r, c->buf.data, c->buf.len) &&
           set(b, end->username_type, r, domain->len ? "Windows" : "Simple");
}

static bool fill_process(const struct wr_conn *c, struct wr_batch *b, const struct end *end,
                         uint32_t r)
{
    const struct wr_str *name = event_text(c, WR_DNE_InitiatingProcessFileName);
    const struct wr_vec *id = &c->view->col[WR_DNE_InitiatingProcessId];
    if (name->len && (!copy(b, end->app, r, name) || !set(b, end->app_type, r, "Process")))
        return false;
    if (end != &ends[0])
        return true;
    char number[24];
    bool has_id = id->i && wr_vec_valid(id, 0);
    if (has_id)
        (void)snprintf(number, sizeof number, "%lld", (long long)id->i[0]);
    return (!name->len || copy(b, COL(SrcProcessName), r, name)) &&
           (!has_id || set(b, COL(SrcProcessId), r, number));
}

/* The endpoint itself is the reporting device. */
static bool fill_device(const struct wr_conn *c, struct wr_batch *b, uint32_t r, const char *local)
{
    const struct wr_str *name = event_text(c, WR_DNE_DeviceName),
                        *id = event_text(c, WR_DNE_DeviceId);
    const char *text = wr_str_data(name),
               *dot = is_address(name) ? NULL : memchr(text, '.', name->len);
    return copy(b, COL(Dvc), r, name) && copy(b, COL(DvcId), r, id) &&
           set(b, COL(DvcIpAddr), r, local) && (!id->len || set(b, COL(DvcIdType), r, "MDEid")) &&
           wr_batch_set_str(b, COL(DvcHostname), r, text, dot ? (size_t)(dot - text) : name->len) &&
           (!dot || copy(b, COL(DvcFQDN), r, name));
}

/* What c->view tells of its own end, and of the other. */
static bool fill_end(struct wr_conn *c, struct wr_batch *b, uint32_t r, int local)
{
    const struct end *end = &ends[local];
    const struct wr_str *id = event_text(c, WR_DNE_DeviceId),
                        *url = event_text(c, WR_DNE_RemoteUrl);
    return fill_name(b, end, r, event_text(c, WR_DNE_DeviceName)) &&
           (!id->len || (copy(b, end->dvc_id, r, id) && set(b, end->dvc_id_type, r, "MDEid"))) &&
           (local || !url->len || copy(b, COL(DstHostname), r, url)) && fill_user(c, b, end, r) &&
           fill_process(c, b, end, r);
}

static bool fill_exporter(const struct wr_conn *c, const struct wr_entry *e, struct wr_batch *b,
                          uint32_t r)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    const uint8_t *addr = wr_observer_find(c, e->point.id);
    char text[WR_ADDRESS_TEXT];
    if (!addr)
        return true;
    bool v4 = memcmp(addr, mapped, sizeof mapped) == 0;
    wr_address_text(v4 ? addr + 12 : addr, !v4, text);
    return set(b, COL(Dvc), r, text) && set(b, COL(DvcIpAddr), r, text);
}

/* What an event tells, or else a flow record (who.h). */
static enum wr_err fill_ends(struct wr_conn *c, const struct wr_crow *row, struct wr_batch *b,
                             uint32_t r, const char *ip[2])
{
    const struct wr_entry *e = wr_entry_at(c, row->entry);
    bool event = false, ok = true;
    for (int d = 0; d < 2 && ok; d++)
        ok = set(b, ends[d].ip, r, ip[d]) && set(b, ends[d].hostname, r, ip[d]) &&
             fill_known(b, &ends[d], r, wr_who_at(c, row->name[d]));
    for (uint32_t k = row->next; ok && k != WR_NONE; k = wr_crow_at(c, k)->next) {
        const struct wr_crow *at = wr_crow_at(c, k);
        int local = at->side != row->side;
        if (!at->packed)
            continue;
        if (!wr_batch_reset(c->view))
            return WR_ENOMEM;
        enum wr_err err = wr_row_unpack(c->view, at->packed, at->len);
        if (err)
            return err;
        event = true;
        ok = fill_end(c, b, r, local) && fill_device(c, b, r, ip[local]);
    }
    if (ok && !event && e->who != WR_NONE) {
        ok = wr_batch_reset(c->view) &&
             wr_who_fill(c, e, e->who_side, c->view, wr_batch_row(c->view)) &&
             fill_end(c, b, r, e->who_side != row->side);
    }
    ok = ok && set(b, COL(EventType), r, event ? "EndpointNetworkSession" : "NetworkSession");
    return ok && (event || fill_exporter(c, e, b, r)) ? WR_OK : WR_ENOMEM;
}

/* ---- the connection -----------------------------------------------------------------------------
 */

static const char *direction(const struct wr_conn_key *key, uint8_t src)
{
    bool in[2];
    for (int d = 0; d < 2; d++) {
        const char *type = wr_address_type(key->addr[d ? !src : src], key->v6);
        in[d] = strcmp(type, "Public") != 0;
    }
    return in[0] ? (in[1] ? "Local" : "Outbound") : in[1] ? "Inbound" : "External";
}

static bool fill_protocol(const struct wr_conn_key *key, struct wr_batch *b, uint32_t r)
{
    char number[8], upper[16];
    const char *name = wr_protocol_text(key->proto, number);
    size_t n = 0;
    for (; name[n] && n < sizeof upper - 1; n++)
        upper[n] = (char)(name[n] >= 'a' && name[n] <= 'z' ? name[n] - 'a' + 'A' : name[n]);
    upper[n] = '\0';
    return set(b, COL(NetworkProtocol), r, upper) &&
           set(b, COL(NetworkProtocolVersion), r, key->v6 ? "IPv6" : "IPv4");
}

/* As they were when the row was made: a column that may be a group's key never changes. */
static void fill_tcp(const struct wr_crow *row, uint8_t proto, struct wr_batch *b, uint32_t r)
{
    static const struct {
        uint16_t col;
        uint8_t flag;
    } flags[] = {{COL(TcpFlagsSyn), WR_SYN}, {COL(TcpFlagsAck), WR_ACK}, {COL(TcpFlagsFin), WR_FIN},
                 {COL(TcpFlagsRst), WR_RST}, {COL(TcpFlagsPsh), WR_PSH}, {COL(TcpFlagsUrg), WR_URG}};
    for (size_t i = 0; proto == WR_TCP && row->tcp & WR_TCP_KNOWN && i < sizeof flags / sizeof *flags; i++)
        wr_batch_set_i64(b, flags[i].col, r, (row->tcp & flags[i].flag) != 0);
}

static bool fill_nat(const struct wr_conn *c, const struct wr_crow *row, const struct wr_entry *e, struct wr_batch *b,
                     uint32_t r)
{
    static const uint16_t cols[2][2] = {{COL(SrcNatIpAddr), COL(SrcNatPortNumber)}, {COL(DstNatIpAddr), COL(DstNatPortNumber)}};
    struct wr_nat_end nat[2];
    char text[WR_ADDRESS_TEXT];
    wr_nat_ends(c, row, &e->key, nat);
    for (int d = 0; d < 2; d++) {
        if (!nat[d].known)
            continue;
        wr_address_text(nat[d].addr, nat[d].v6, text);
        wr_batch_set_i64(b, cols[d][1], r, nat[d].port);
        if (!set(b, cols[d][0], r, text))
            return false;
    }
    return true;
}

/* Type and code as numbers; frozen with the row, as count.c changes them before it only. */
static bool fill_icmp(const struct wr_crow *row, const struct wr_entry *e, struct wr_batch *b, uint32_t r)
{
    char type[4];
    if (!wr_is_icmp(e->key.proto) || !(row->tcp & WR_TCP_KNOWN))
        return true;
    (void)snprintf(type, sizeof type, "%u", e->tcp[0]);
    wr_batch_set_i64(b, COL(NetworkIcmpCode), r, e->tcp[1]);
    return set(b, COL(NetworkIcmpType), r, type);
}

static bool fill_result(const struct wr_crow *row, struct wr_batch *b, uint32_t r)
{
    static const char *const result[] = {[WR_ACTION_SUCCESS] = "Success",
                                         [WR_ACTION_FAILED] = "Failure",
                                         [WR_ACTION_ATTEMPT] = "NA"};
    bool denied = row->denied;
    return set(b, COL(EventResult), r, result[row->action]) &&
           set(b, COL(DvcAction), r, denied ? "Deny" : "Allow");
}

static enum wr_err fill(struct wr_conn *c, const struct wr_crow *row, struct wr_batch *b,
                        uint32_t r)
{
    const struct wr_entry *e = wr_entry_at(c, row->entry);
    const struct wr_conn_key *key = &e->key;
    uint8_t src = row->side;
    char text[2][WR_ADDRESS_TEXT];
    const char *ip[2] = {text[0], text[1]};
    for (int d = 0; d < 2; d++) {
        wr_address_text(key->addr[d ? !src : src], key->v6, text[d]);
        if (!wr_is_icmp(key->proto))
            wr_batch_set_i64(b, ends[d].port, r, key->port[d ? !src : src]);
    }
    wr_batch_set_i64(b, COL(TimeGenerated), r, row->ticks);
    wr_batch_set_i64(b, COL(EventStartTime), r, row->ticks);
    wr_batch_set_i64(b, COL(EventCount), r, 1);
    wr_batch_set_i64(b, COL(_RowId), r, (int64_t)row->id);
    wr_batch_set_i64(b, COL(BytesEstimated), r, wr_count_estimated(c, e));
    fill_figures(c, row, b, r);
    fill_tcp(row, key->proto, b, r);
    enum wr_err err = fill_ends(c, row, b, r, ip);
    if (err)
        return err;
    return fill_protocol(key, b, r) && fill_icmp(row, e, b, r) && fill_nat(c, row, e, b, r) && fill_result(row, b, r) &&
                   set(b, COL(NetworkDirection), r, direction(key, src)) &&
                   set(b, COL(NetworkApplicationProtocol), r, wr_label_text(c, e->label)) &&
                   set(b, COL(MatchQuality), r, wr_quality_text(wr_row_quality(c, row))) &&
                   set(b, COL(DirectionSource), r, wr_why_text(row->why)) &&
                   set(b, COL(EventVendor), r, "weir") && set(b, COL(EventProduct), r, "weir") &&
                   set(b, COL(EventSchemaVersion), r, "0.2.6") &&
                   set(b, COL(EventSeverity), r, "Informational") &&
                   set(b, COL(Type), r, "ASimNetworkSessionLogs")
               ? WR_OK
               : WR_ENOMEM;
}

enum wr_err wr_session_render(struct wr_conn *c, const struct wr_crow *row, struct wr_batch *out)
{
    uint32_t r = wr_batch_row(out);
    enum wr_err err = fill(c, row, out, r);
    if (err)
        wr_batch_unrow(out);
    return err;
}

/* The entry's oldest event, or NULL. */
static const struct wr_crow *first_event(const struct wr_conn *c, const struct wr_entry *e)
{
    const struct wr_crow *first = NULL;
    for (uint32_t r = e->rows; r != WR_NONE; r = wr_crow_at(c, r)->next)
        if (wr_crow_at(c, r)->packed)
            first = wr_crow_at(c, r);
    return first;
}

enum wr_err wr_session_add(struct wr_conn *c, uint32_t i)
{
    struct wr_entry *e = wr_entry_at(c, i);
    uint32_t r;
    if (!c->sessions || wr_key_is_host(&e->key))
        return WR_OK;
    const struct wr_crow *event = first_event(c, e);
    enum wr_err err = wr_row_add(c, &r);
    if (err)
        return err;
    struct wr_crow *row = wr_crow_at(c, r);
    row->table = WR_DUE_SESSIONS;
    row->side = !event ? wr_entry_initiator(e, &row->why)
                       : (uint8_t)(event->action == WR_ACTION_INBOUND ? !event->side : event->side);
    row->action = !event                              ? wr_row_action(c, e, row->side)
                  : event->action == WR_ACTION_FAILED ? WR_ACTION_FAILED
                  : event->action == WR_ACTION_REQUEST ? WR_ACTION_ATTEMPT
                                                      : WR_ACTION_SUCCESS;
    if (e->flags & WR_CONN_TCP_FLAGS)
        row->tcp = (uint8_t)(((e->tcp[0] | e->tcp[1]) & 63) | WR_TCP_KNOWN);
    row->denied = e->flags & WR_CONN_DENIED ? 1 : 0;
    row->ticks = wr_ticks_of_unix_ns(event ? event->opened : e->start);
    row->told.end = row->told.packets[0] = row->told.packets[1] = -1;
    row->entry = i;
    row->next = e->rows;
    e->rows = r;
    err = wr_row_due(c, r, WR_ROW_DUE_INSERT);
    return err ? err : wr_row_name(c, row);
}
