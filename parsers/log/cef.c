/* CEF and LEEF: a header of fields between bars, then pairs. In CEF a value holds blanks, so it ends where the next key
 * begins:
 *
 *     src=10.1.2.3 msg=a b\=c act=Blocked     ->  src "10.1.2.3", msg "a b=c", act "Blocked"
 *
 * that is at the last blank before the next `=` that has no backslash, when what stands between is a name. */
#include "parsers/conn/address.h"
#include "parsers/log/cef.h"

#include "base/buf.h"
#include "base/ticks.h"

#include <string.h>

struct pair {
    const char *key;
    size_t len;
};

/* ---- names ---- */

struct name {
    const char *key;
    uint16_t col;
};

/* Microsoft's mapping; numbered customs follow below. */
static const struct name cef_names[] = {
    {"act", WR_CSL_DeviceAction},
    {"app", WR_CSL_ApplicationProtocol},
    {"cat", WR_CSL_DeviceEventCategory},
    {"cnt", WR_CSL_EventCount},
    {"destinationDnsDomain", WR_CSL_DestinationDnsDomain},
    {"destinationServiceName", WR_CSL_DestinationServiceName},
    {"destinationTranslatedAddress", WR_CSL_DestinationTranslatedAddress},
    {"destinationTranslatedPort", WR_CSL_DestinationTranslatedPort},
    {"deviceDirection", WR_CSL_CommunicationDirection},
    {"deviceDnsDomain", WR_CSL_DeviceDnsDomain},
    {"deviceExternalId", WR_CSL_DeviceExternalID},
    {"deviceFacility", WR_CSL_DeviceFacility},
    {"deviceInboundInterface", WR_CSL_DeviceInboundInterface},
    {"deviceNtDomain", WR_CSL_DeviceNtDomain},
    {"deviceOutboundInterface", WR_CSL_DeviceOutboundInterface},
    {"devicePayloadId", WR_CSL_DevicePayloadId},
    {"deviceProcessName", WR_CSL_ProcessName},
    {"deviceTranslatedAddress", WR_CSL_DeviceTranslatedAddress},
    {"dhost", WR_CSL_DestinationHostName},
    {"dmac", WR_CSL_DestinationMACAddress},
    {"dntdom", WR_CSL_DestinationNTDomain},
    {"dpid", WR_CSL_DestinationProcessId},
    {"dpriv", WR_CSL_DestinationUserPrivileges},
    {"dproc", WR_CSL_DestinationProcessName},
    {"dpt", WR_CSL_DestinationPort},
    {"dst", WR_CSL_DestinationIP},
    {"dtz", WR_CSL_DeviceTimeZone},
    {"duid", WR_CSL_DestinationUserID},
    {"duser", WR_CSL_DestinationUserName},
    {"dvc", WR_CSL_DeviceAddress},
    {"dvchost", WR_CSL_DeviceName},
    {"dvcmac", WR_CSL_DeviceMacAddress},
    {"dvcpid", WR_CSL_ProcessID},
    {"end", WR_CSL_EndTime},
    {"externalId", WR_CSL_ExtID},
    {"fileCreateTime", WR_CSL_FileCreateTime},
    {"fileHash", WR_CSL_FileHash},
    {"fileId", WR_CSL_FileID},
    {"fileModificationTime", WR_CSL_FileModificationTime},
    {"filePath", WR_CSL_FilePath},
    {"filePermission", WR_CSL_FilePermission},
    {"fileType", WR_CSL_FileType},
    {"fname", WR_CSL_FileName},
    {"fsize", WR_CSL_FileSize},
    {"in", WR_CSL_ReceivedBytes},
    {"msg", WR_CSL_Message},
    {"oldFileCreateTime", WR_CSL_OldFileCreateTime},
    {"oldFileHash", WR_CSL_OldFileHash},
    {"oldFileId", WR_CSL_OldFileID},
    {"oldFileModificationTime", WR_CSL_OldFileModificationTime},
    {"oldFileName", WR_CSL_OldFileName},
    {"oldFilePath", WR_CSL_OldFilePath},
    {"oldFilePermission", WR_CSL_OldFilePermission},
    {"oldFileSize", WR_CSL_OldFileSize},
    {"oldFileType", WR_CSL_OldFileType},
    {"out", WR_CSL_SentBytes},
    {"outcome", WR_CSL_EventOutcome},
    {"proto", WR_CSL_Protocol},
    {"reason", WR_CSL_Reason},
    {"request", WR_CSL_RequestURL},
    {"requestClientApplication", WR_CSL_RequestClientApplication},
    {"requestContext", WR_CSL_RequestContext},
    {"requestCookies", WR_CSL_RequestCookies},
    {"requestMethod", WR_CSL_RequestMethod},
    {"rt", WR_CSL_ReceiptTime},
    {"shost", WR_CSL_SourceHostName},
    {"smac", WR_CSL_SourceMACAddress},
    {"sntdom", WR_CSL_SourceNTDomain},
    {"sourceDnsDomain", WR_CSL_SourceDnsDomain},
    {"sourceServiceName", WR_CSL_SourceServiceName},
    {"sourceTranslatedAddress", WR_CSL_SourceTranslatedAddress},
    {"sourceTranslatedPort", WR_CSL_SourceTranslatedPort},
    {"spid", WR_CSL_SourceProcessId},
    {"spriv", WR_CSL_SourceUserPrivileges},
    {"sproc", WR_CSL_SourceProcessName},
    {"spt", WR_CSL_SourcePort},
    {"src", WR_CSL_SourceIP},
    {"start", WR_CSL_StartTime},
    {"suid", WR_CSL_SourceUserID},
    {"suser", WR_CSL_SourceUserName},
    {"type", WR_CSL_EventType},
};

/* Customs: cs1 and cs1Label, ... */
static const struct name custom_names[] = {
    {"cs1", WR_CSL_DeviceCustomString1},          {"cs1Label", WR_CSL_DeviceCustomString1Label},
    {"cs2", WR_CSL_DeviceCustomString2},          {"cs2Label", WR_CSL_DeviceCustomString2Label},
    {"cs3", WR_CSL_DeviceCustomString3},          {"cs3Label", WR_CSL_DeviceCustomString3Label},
    {"cs4", WR_CSL_DeviceCustomString4},          {"cs4Label", WR_CSL_DeviceCustomString4Label},
    {"cs5", WR_CSL_DeviceCustomString5},          {"cs5Label", WR_CSL_DeviceCustomString5Label},
    {"cs6", WR_CSL_DeviceCustomString6},          {"cs6Label", WR_CSL_DeviceCustomString6Label},
    {"cn1", WR_CSL_DeviceCustomNumber1},          {"cn1Label", WR_CSL_DeviceCustomNumber1Label},
    {"cn2", WR_CSL_DeviceCustomNumber2},          {"cn2Label", WR_CSL_DeviceCustomNumber2Label},
    {"cn3", WR_CSL_DeviceCustomNumber3},          {"cn3Label", WR_CSL_DeviceCustomNumber3Label},
    {"cfp1", WR_CSL_DeviceCustomFloatingPoint1},  {"cfp1Label", WR_CSL_DeviceCustomFloatingPoint1Label},
    {"cfp2", WR_CSL_DeviceCustomFloatingPoint2},  {"cfp2Label", WR_CSL_DeviceCustomFloatingPoint2Label},
    {"cfp3", WR_CSL_DeviceCustomFloatingPoint3},  {"cfp3Label", WR_CSL_DeviceCustomFloatingPoint3Label},
    {"cfp4", WR_CSL_DeviceCustomFloatingPoint4},  {"cfp4Label", WR_CSL_DeviceCustomFloatingPoint4Label},
    {"c6a1", WR_CSL_DeviceCustomIPv6Address1},    {"c6a1Label", WR_CSL_DeviceCustomIPv6Address1Label},
    {"c6a2", WR_CSL_DeviceCustomIPv6Address2},    {"c6a2Label", WR_CSL_DeviceCustomIPv6Address2Label},
    {"c6a3", WR_CSL_DeviceCustomIPv6Address3},    {"c6a3Label", WR_CSL_DeviceCustomIPv6Address3Label},
    {"c6a4", WR_CSL_DeviceCustomIPv6Address4},    {"c6a4Label", WR_CSL_DeviceCustomIPv6Address4Label},
    {"deviceCustomDate1", WR_CSL_DeviceCustomDate1}, {"deviceCustomDate1Label", WR_CSL_DeviceCustomDate1Label},
    {"deviceCustomDate2", WR_CSL_DeviceCustomDate2}, {"deviceCustomDate2Label", WR_CSL_DeviceCustomDate2Label},
    {"flexDate1", WR_CSL_FlexDate1},              {"flexDate1Label", WR_CSL_FlexDate1Label},
    {"flexNumber1", WR_CSL_FlexNumber1},          {"flexNumber1Label", WR_CSL_FlexNumber1Label},
    {"flexNumber2", WR_CSL_FlexNumber2},          {"flexNumber2Label", WR_CSL_FlexNumber2Label},
    {"flexString1", WR_CSL_FlexString1},          {"flexString1Label", WR_CSL_FlexString1Label},
    {"flexString2", WR_CSL_FlexString2},          {"flexString2Label", WR_CSL_FlexString2Label},
};

static const struct name leef_names[] = {
    {"cat", WR_CSL_DeviceEventCategory},
    {"devTime", WR_CSL_ReceiptTime},
    {"proto", WR_CSL_Protocol},
    {"sev", WR_CSL_LogSeverity},
    {"src", WR_CSL_SourceIP},
    {"dst", WR_CSL_DestinationIP},
    {"srcPort", WR_CSL_SourcePort},
    {"dstPort", WR_CSL_DestinationPort},
    {"srcPreNAT", WR_CSL_SourceIP},
    {"srcPostNAT", WR_CSL_SourceTranslatedAddress},
    {"dstPostNAT", WR_CSL_DestinationTranslatedAddress},
    {"srcPostNATPort", WR_CSL_SourceTranslatedPort},
    {"dstPostNATPort", WR_CSL_DestinationTranslatedPort},
    {"usrName", WR_CSL_SourceUserName},
    {"srcMAC", WR_CSL_SourceMACAddress},
    {"dstMAC", WR_CSL_DestinationMACAddress},
    {"srcBytes", WR_CSL_SentBytes},
    {"dstBytes", WR_CSL_ReceivedBytes},
    {"identHostName", WR_CSL_SourceHostName},
    {"identNetBios", WR_CSL_SourceNTDomain},
    {"domain", WR_CSL_SourceNTDomain},
    {"url", WR_CSL_RequestURL},
    {"action", WR_CSL_DeviceAction},
    {"act", WR_CSL_DeviceAction},
    {"reason", WR_CSL_Reason},
    {"msg", WR_CSL_Message},
};

static void add_names(struct wr_keys *keys, const struct name *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        wr_keys_add(keys, names[i].key, names[i].col);
}

void wr_cef_init(struct wr_cef_names *names)
{
    *names = (struct wr_cef_names){0};
    add_names(&names->cef, cef_names, sizeof cef_names / sizeof *cef_names);
    add_names(&names->custom, custom_names, sizeof custom_names / sizeof *custom_names);
    add_names(&names->leef, leef_names, sizeof leef_names / sizeof *leef_names);
}

bool wr_cef_start(const char *text, size_t len)
{
    size_t n = len > 5 && !memcmp(text, "LEEF:", 5) ? 5 : len > 4 && !memcmp(text, "CEF:", 4) ? 4 : 0;
    n += n && n + 1 < len && text[n] == ' '; /* a relay that took it for a tag: rsyslog's RSYSLOG_ForwardFormat */
    return n && n < len && text[n] >= '0' && text[n] <= '9';
}

/* ---- text ---- */

/* Text without its backslashes: `\n` and `\r` are line ends, before any other of `special` one goes. */
static struct wr_json_val plain(struct wr_arena *scratch, const char *s, size_t len, const char *special)
{
    struct wr_json_val v = {.type = WR_JSON_STR, .len = (uint32_t)len, .s = s};
    if (!memchr(s, '\\', len))
        return v;
    char *out = wr_arena_bytes_alloc(scratch, len);
    if (!out)
        return (struct wr_json_val){0};
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        char next = i + 1 < len ? s[i + 1] : '\0';
        if (s[i] == '\\' && next && strchr(special, next)) {
            out[n++] = next == 'n' ? '\n' : next == 'r' ? '\r' : next;
            i++;
        } else {
            out[n++] = s[i];
        }
    }
    v.s = out;
    v.len = (uint32_t)n;
    return v;
}

/* The next field up to a bar without backslash. False: there is no bar. */
static bool bar_field(const char **at, const char *end, struct wr_slice *ret)
{
    for (const char *p = *at; p < end; p++) {
        if (*p == '\\' && p + 1 < end) {
            p++;
        } else if (*p == '|') {
            *ret = (struct wr_slice){*at, (size_t)(p - *at)};
            *at = p + 1;
            return true;
        }
    }
    return false;
}

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '-' || c == '[' || c == ']';
}

/* Where the key of the next pair begins in [p, end); its `=` in *ret_equals. NULL: no more pair. */
static const char *next_key(const char *p, const char *end, const char **ret_equals)
{
    const char *key = p; /* of what could be one */
    bool good = true;
    for (; p < end; p++) {
        if (*p == '\\' && p + 1 < end) {
            p++;
            good = false;
        } else if (*p == ' ') {
            key = p + 1;
            good = true;
        } else if (*p == '=' && good && p > key) {
            *ret_equals = p;
            return key;
        } else if (!name_char(*p)) {
            good = false;
        }
    }
    return NULL;
}

/* ---- pairs ---- */

struct sink {
    const struct wr_keys *names, *custom; /* NULL: none */
    struct wr_event *ev;
    struct wr_buf rest; /* AdditionalExtensions */
    uint32_t n;
};

static void take_pair(struct sink *s, struct pair key, const struct wr_json_val *v)
{
    uint16_t col;
    s->n++;
    if (v->type == WR_JSON_NULL || v->len == 0)
        return;
    if (wr_keys_find(s->names, key.key, key.len, &col) ||
        (s->custom && wr_keys_find(s->custom, key.key, key.len, &col))) {
        s->ev->dup_keys += wr_colset_has(&s->ev->have, col);
        wr_event_set(s->ev, col, v);
        return;
    }
    if (s->rest.len)
        wr_buf_char(&s->rest, ';');
    wr_buf_add(&s->rest, key.key, key.len);
    wr_buf_char(&s->rest, '=');
    wr_buf_add(&s->rest, v->s, v->len);
}

static void cef_pairs(struct sink *s, const char *p, const char *end)
{
    const char *equals = NULL, *key = next_key(p, end, &equals);
    while (key && s->n < WR_CEF_MAX_KEYS + 1) {
        const char *value = equals + 1, *next_equals = NULL;
        const char *blank = memchr(value, ' ', (size_t)(end - value)); /* `a=b=c`: b is no key */
        const char *next = blank ? next_key(blank, end, &next_equals) : NULL;
        const char *stop = next ? next : end;
        while (stop > value && stop[-1] == ' ')
            stop--;
        struct wr_json_val v = plain(s->ev->scratch, value, (size_t)(stop - value), "=\\nr|");
        take_pair(s, (struct pair){key, (size_t)(equals - key)}, &v);
        key = next;
        equals = next_equals;
    }
}

static void leef_pairs(struct sink *s, const char *p, const char *end, char delimiter)
{
    while (p < end && s->n < WR_CEF_MAX_KEYS + 1) {
        const char *stop = memchr(p, delimiter, (size_t)(end - p));
        stop = stop ? stop : end;
        const char *equals = memchr(p, '=', (size_t)(stop - p));
        if (equals && equals > p) {
            struct wr_json_val v = {
                .type = WR_JSON_STR, .len = (uint32_t)(stop - equals - 1), .s = equals + 1};
            take_pair(s, (struct pair){p, (size_t)(equals - p)}, &v);
        }
        p = stop < end ? stop + 1 : end;
    }
}

/* LEEF 2.0's delimiter field: a character, or its number as x5E or 0x5E. TAB when it says nothing. */
static char delimiter_of(const struct wr_slice *f)
{
    const char *p = f->p, *end = f->p + f->len;
    int v = 0;
    if (f->len == 1)
        return *p;
    p += f->len > 2 && p[0] == '0' ? 1 : 0;
    if (end - p < 2 || end - p > 3 || (*p != 'x' && *p != 'X'))
        return '\t';
    for (p++; p < end; p++) {
        char c = *p;
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return '\t';
        v = v * 16 + digit;
    }
    return v > 0 && v < 128 ? (char)v : '\t';
}

/* ---- a message ---- */

static void set_plain(struct wr_event *ev, uint16_t col, const struct wr_slice *s)
{
    struct wr_json_val v = plain(ev->scratch, s->p ? s->p : "", s->len, "|\\=");
    if (v.type != WR_JSON_NULL && v.len)
        wr_event_set(ev, col, &v);
}

/* `1700000000123`, ISO, `Nov 14 2023 22:13:20.123 UTC`. */
static bool time_of(const struct wr_event *ev, uint16_t col, int64_t now, int64_t *ret)
{
    if (!wr_event_has(ev, col) || ev->val[col].type != WR_JSON_STR)
        return false;
    const char *p = ev->val[col].s, *end = p + ev->val[col].len;
    return wr_val_time(&ev->val[col], ret) || wr_time_bsd_zone(&p, end, now, ret);
}

/* A time as the column's other rows have it, whatever way it was written. */
static void settle_time(struct wr_event *ev, uint16_t col, int64_t now)
{
    int64_t t;
    struct wr_buf text = {0};
    if (!time_of(ev, col, now, &t))
        return;
    wr_ticks_datetime(&text, t);
    const char *copy = text.err ? NULL : wr_arena_strndup(ev->scratch, text.data, text.len);
    if (copy)
        wr_event_set_text(ev, col, copy, text.len);
    wr_buf_fini(&text);
}

static void settle(struct wr_event *ev, const struct wr_header *at, const char *peer, int64_t now)
{
    struct wr_slice host = at->host.len ? at->host : (struct wr_slice){peer, strlen(peer)};
    if (!time_of(ev, WR_CSL_ReceiptTime, now, &ev->time) && !time_of(ev, WR_CSL_EndTime, now, &ev->time) &&
        !time_of(ev, WR_CSL_StartTime, now, &ev->time))
        ev->time = at->has_time ? at->time : now;
    settle_time(ev, WR_CSL_StartTime, now);
    settle_time(ev, WR_CSL_EndTime, now);
    set_plain(ev, WR_CSL_Computer, &host);
    if (wr_event_has(ev, WR_CSL_DeviceAction))
        wr_event_set(ev, WR_CSL_SimplifiedDeviceAction, &ev->val[WR_CSL_DeviceAction]);
}

enum wr_map wr_map_cef(const struct wr_cef_names *names, const struct wr_header *at, const char *peer, int64_t now,
                       struct wr_event *ev, bool *ret_leef)
{
    static const uint16_t cols[] = {WR_CSL_DeviceVendor,       WR_CSL_DeviceProduct, WR_CSL_DeviceVersion,
                                    WR_CSL_DeviceEventClassID, WR_CSL_Activity,      WR_CSL_LogSeverity};
    const char *p = at->message.p, *end = p + at->message.len;
    bool leef = *p == 'L', second = leef && at->message.len > 6 && p[p[5] == ' ' ? 6 : 5] == '2';
    int fields = leef ? 4 : 6;
    struct wr_slice f;
    wr_event_start(ev, WR_TABLE_COMMON_SECURITY_LOG);
    *ret_leef = leef;
    if (!bar_field(&p, end, &f)) /* the version */
        return WR_MAP_MISSING;
    for (int i = 0; i < fields; i++) {
        if (!bar_field(&p, end, &f))
            return WR_MAP_MISSING;
        set_plain(ev, cols[i], &f);
    }
    struct sink sink = {
        .names = leef ? &names->leef : &names->cef, .custom = leef ? NULL : &names->custom, .ev = ev};
    if (leef) {
        char delimiter = '\t';
        if (second && bar_field(&p, end, &f))
            delimiter = delimiter_of(&f);
        if (wr_event_has(ev, WR_CSL_DeviceEventClassID))
            wr_event_set(ev, WR_CSL_Activity, &ev->val[WR_CSL_DeviceEventClassID]);
        leef_pairs(&sink, p, end, delimiter);
    } else {
        cef_pairs(&sink, p, end);
    }
    const char *rest = sink.rest.len && !sink.rest.err ? wr_arena_strndup(ev->scratch, sink.rest.data, sink.rest.len)
                                                       : NULL;
    if (rest)
        wr_event_set_text(ev, WR_CSL_AdditionalExtensions, rest, sink.rest.len);
    wr_buf_fini(&sink.rest);
    if (sink.n > WR_CEF_MAX_KEYS)
        return WR_MAP_LIMIT;
    settle(ev, at, peer, now);
    return WR_MAP_DATA;
}

/* ---- sessions ---- */

/* What ASIM calls the action of an event that was refused; NULL: it was not. */
static const char *refusal(const struct wr_event *ev)
{
    static const char *const words[][2] = {
        {"deny", "Deny"},         {"denied", "Deny"},       {"drop", "Drop"},
        {"dropped", "Drop"},      {"block", "Deny"},        {"blocked", "Deny"},
        {"reject", "Deny"},       {"rejected", "Deny"},     {"reset", "Reset"},
        {"drop-icmp", "Drop ICMP"}, {"reset-both", "Reset"}, {"reset-client", "Reset Source"},
        {"reset-server", "Reset Destination"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (wr_event_has(ev, WR_CSL_DeviceAction) && wr_val_is(&ev->val[WR_CSL_DeviceAction], words[i][0]))
            return words[i][1];
    return NULL;
}

static bool is_public(const struct wr_json_val *v)
{
    uint8_t addr[16];
    bool v6;
    return v->type == WR_JSON_STR && wr_address_parse(v->s, v->len, addr, &v6) &&
           strcmp(wr_address_type(addr, v6), "Public") == 0;
}

/* As the firewall says, else by the ends: private addresses are inside. */
static const char *session_direction(struct wr_json_val told, const struct wr_json_val *src, const struct wr_json_val *dst)
{
    if (wr_val_is(&told, "0") || wr_val_is(&told, "inbound"))
        return "Inbound";
    if (wr_val_is(&told, "1") || wr_val_is(&told, "outbound"))
        return "Outbound";
    bool from = !is_public(src), to = !is_public(dst);
    return from ? (to ? "Local" : "Outbound") : to ? "Inbound" : "External";
}

static struct wr_json_val of(const struct wr_event *ev, uint16_t col)
{
    return wr_event_has(ev, col) ? ev->val[col] : (struct wr_json_val){0};
}

/* The number whose label says `name`: Check Point writes `cn2Label=ICMP Type cn2=8`. */
static struct wr_json_val labelled(const struct wr_event *ev, const char *name)
{
    static const uint16_t custom[][2] = {{WR_CSL_DeviceCustomNumber1, WR_CSL_DeviceCustomNumber1Label},
                                         {WR_CSL_DeviceCustomNumber2, WR_CSL_DeviceCustomNumber2Label},
                                         {WR_CSL_DeviceCustomNumber3, WR_CSL_DeviceCustomNumber3Label}};
    for (size_t i = 0; i < sizeof custom / sizeof *custom; i++)
        if (wr_event_has(ev, custom[i][1]) && wr_val_is(&ev->val[custom[i][1]], name))
            return of(ev, custom[i][0]);
    return (struct wr_json_val){0};
}

/* `tcp` and 6 are TCP. True: it has a type and a code where others have ports. */
static bool session_protocol(struct wr_event *ev, const struct wr_json_val *proto)
{
    static const struct {
        int64_t number;
        const char *name;
    } names[] = {{1, "ICMP"}, {2, "IGMP"}, {6, "TCP"}, {17, "UDP"}, {47, "GRE"}, {50, "ESP"}, {58, "ICMPV6"}, {132, "SCTP"}};
    int64_t n;
    if (wr_val_i64(proto, &n)) {
        wr_event_set(ev, WR_NETSESSION_NetworkProtocol, proto);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            if (names[i].number == n)
                wr_event_set_text(ev, WR_NETSESSION_NetworkProtocol, names[i].name, strlen(names[i].name));
        return n == 1 || n == 58;
    }
    char *name = wr_arena_strndup(ev->scratch, proto->s, proto->len);
    for (uint32_t i = 0; name && i < proto->len; i++)
        name[i] = name[i] >= 'a' && name[i] <= 'z' ? (char)(name[i] - 32) : name[i];
    if (name)
        wr_event_set_text(ev, WR_NETSESSION_NetworkProtocol, name, proto->len);
    return wr_val_is(proto, "icmp") || wr_val_is(proto, "icmpv6") || wr_val_is(proto, "icmp6") ||
           wr_val_is(proto, "ipv6-icmp");
}

struct nat {
    struct wr_json_val ip, port;
};

/* Firewalls write 0.0.0.0 and port 0 for an end that they do not translate. */
static void session_nat(struct wr_event *ev, const struct nat *nat, uint16_t ip, uint16_t port)
{
    int64_t n;
    if (nat->ip.type != WR_JSON_STR || wr_val_is(&nat->ip, "0.0.0.0") || wr_val_is(&nat->ip, "::") ||
        !wr_event_take_ip(ev, &nat->ip, ip, WR_NO_COL))
        return;
    if (nat->port.type != WR_JSON_NULL && wr_val_i64(&nat->port, &n) && n > 0)
        wr_event_set(ev, port, &nat->port);
}

bool wr_cef_session(struct wr_event *ev)
{
    static const uint16_t same[][2] = {{WR_CSL_SourcePort, WR_NETSESSION_SrcPortNumber},
                                       {WR_CSL_DestinationPort, WR_NETSESSION_DstPortNumber},
                                       {WR_CSL_SentBytes, WR_NETSESSION_SrcBytes},
                                       {WR_CSL_ReceivedBytes, WR_NETSESSION_DstBytes},
                                       {WR_CSL_SourceHostName, WR_NETSESSION_SrcHostname},
                                       {WR_CSL_DestinationHostName, WR_NETSESSION_DstHostname},
                                       {WR_CSL_SourceUserName, WR_NETSESSION_SrcUsername},
                                       {WR_CSL_DestinationUserName, WR_NETSESSION_DstUsername},
                                       {WR_CSL_ApplicationProtocol, WR_NETSESSION_NetworkApplicationProtocol},
                                       {WR_CSL_DeviceAction, WR_NETSESSION_DvcOriginalAction},
                                       {WR_CSL_DeviceVendor, WR_NETSESSION_EventVendor},
                                       {WR_CSL_DeviceProduct, WR_NETSESSION_EventProduct},
                                       {WR_CSL_DeviceVersion, WR_NETSESSION_EventProductVersion},
                                       {WR_CSL_StartTime, WR_NETSESSION_EventStartTime},
                                       {WR_CSL_EndTime, WR_NETSESSION_EventEndTime},
                                       {WR_CSL_Computer, WR_NETSESSION_DvcHostname}};
    enum { SAME = sizeof same / sizeof *same };
    struct wr_json_val src = ev->val[WR_CSL_SourceIP], dst = ev->val[WR_CSL_DestinationIP], val[SAME];
    bool have[SAME];
    int64_t sent = 0, received = 0;
    bool bytes = wr_event_has(ev, WR_CSL_SentBytes) && wr_val_i64(&ev->val[WR_CSL_SentBytes], &sent);
    bytes |= wr_event_has(ev, WR_CSL_ReceivedBytes) && wr_val_i64(&ev->val[WR_CSL_ReceivedBytes], &received);
    const char *refused = refusal(ev); /* has no bytes to tell; one that was not refused has them at its end */
    if ((!bytes && !refused) || sent < 0 || received < 0 || !wr_event_has(ev, WR_CSL_SourceIP) ||
        !wr_event_has(ev, WR_CSL_DestinationIP) || !wr_event_has(ev, WR_CSL_Protocol))
        return false;
    struct wr_json_val proto = ev->val[WR_CSL_Protocol], told = of(ev, WR_CSL_CommunicationDirection);
    const struct wr_json_val icmp[] = {labelled(ev, "ICMP Type"), labelled(ev, "ICMP Code")};
    const struct nat nat[] = {{of(ev, WR_CSL_SourceTranslatedAddress), of(ev, WR_CSL_SourceTranslatedPort)},
                              {of(ev, WR_CSL_DestinationTranslatedAddress), of(ev, WR_CSL_DestinationTranslatedPort)}};
    for (size_t i = 0; i < SAME; i++) {
        have[i] = wr_event_has(ev, same[i][0]);
        val[i] = ev->val[same[i][0]];
    }
    wr_event_start(ev, WR_TABLE_ASIM_NETWORK_SESSION_LOGS);
    for (size_t i = 0; i < SAME; i++)
        if (have[i])
            wr_event_set(ev, same[i][1], &val[i]);
    if (!wr_event_take_ip(ev, &src, WR_NETSESSION_SrcIpAddr, WR_NO_COL) ||
        !wr_event_take_ip(ev, &dst, WR_NETSESSION_DstIpAddr, WR_NO_COL))
        return false;
    bool ping = session_protocol(ev, &proto);
    for (int i = 0; i < 2; i++)
        session_nat(ev, &nat[i], i ? WR_NETSESSION_DstNatIpAddr : WR_NETSESSION_SrcNatIpAddr,
                    i ? WR_NETSESSION_DstNatPortNumber : WR_NETSESSION_SrcNatPortNumber);
    if (ping) {
        wr_event_unset(ev, WR_NETSESSION_SrcPortNumber);
        wr_event_unset(ev, WR_NETSESSION_DstPortNumber);
        if (icmp[0].type != WR_JSON_NULL)
            wr_event_set(ev, WR_NETSESSION_NetworkIcmpType, &icmp[0]);
        if (icmp[1].type != WR_JSON_NULL)
            wr_event_set(ev, WR_NETSESSION_NetworkIcmpCode, &icmp[1]);
    }
    struct wr_json_val sum = {.type = WR_JSON_INT, .i = sent + received};
    if (bytes && sent <= INT64_MAX - received)
        wr_event_set(ev, WR_NETSESSION_NetworkBytes, &sum);
    struct wr_json_val one = {.type = WR_JSON_INT, .i = 1};
    wr_event_set(ev, WR_NETSESSION_EventCount, &one);
    wr_event_set_text(ev, WR_NETSESSION_EventType, "NetworkSession", 14);
    const char *result = refused ? "Failure" : "Success", *action = refused ? refused : "Allow";
    const char *direction = session_direction(told, &src, &dst);
    wr_event_set_text(ev, WR_NETSESSION_EventResult, result, strlen(result));
    wr_event_set_text(ev, WR_NETSESSION_DvcAction, action, strlen(action));
    wr_event_set_text(ev, WR_NETSESSION_NetworkDirection, direction, strlen(direction));
    return true;
}
