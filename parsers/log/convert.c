/* What several layouts write in the same way -> columns of an event. */
#include "parsers/log/event.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

static const char *ip_kind(int family, const unsigned char ip[16])
{
    if (family == AF_INET) {
        if (ip[0] == 127)
            return "Loopback";
        else if (ip[0] == 10 || (ip[0] == 172 && (ip[1] & 0xf0) == 16) || (ip[0] == 192 && ip[1] == 168) ||
                 (ip[0] == 169 && ip[1] == 254))
            return "Private";
        else if (ip[0] == 255 && ip[1] == 255 && ip[2] == 255 && ip[3] == 255)
            return "Broadcast";
        else if (ip[0] == 0 || ip[0] >= 224)
            return "Reserved";
    } else if (!memcmp(ip, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16)) {
        return "Loopback";
    } else if ((ip[0] & 0xfe) == 0xfc || (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80)) {
        return "Private";
    } else if (ip[0] == 0xff || ip[0] == 0) {
        return "Reserved";
    }
    return "Public";
}

/* An IPv4 address as inet_ntop writes it: four numbers without leading zeros. */
static bool plain_ipv4(const char *s, size_t len, unsigned char ip[4])
{
    size_t at = 0;
    for (int part = 0; part < 4; part++) {
        size_t from = at;
        unsigned n = 0;
        while (at < len && at - from < 3 && s[at] >= '0' && s[at] <= '9')
            n = n * 10 + (unsigned)(s[at++] - '0');
        if (at == from || n > 255 || (s[from] == '0' && at - from > 1) || (part < 3 && (at == len || s[at++] != '.')))
            return false;
        ip[part] = (unsigned char)n;
    }
    return at == len;
}

bool wr_event_take_ip(struct wr_event *ev, const struct wr_json_val *v, uint16_t col, uint16_t kind_col)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char ip[16];
    if (v->type != WR_JSON_STR || v->len == 0 || v->len >= sizeof text || memchr(v->s, 0, v->len))
        return false;
    if (plain_ipv4(v->s, v->len, ip)) {
        const char *kind = ip_kind(AF_INET, ip);
        wr_event_set(ev, col, v);
        if (kind_col != WR_NO_COL)
            wr_event_set_text(ev, kind_col, kind, strlen(kind));
        return true;
    }
    memcpy(text, v->s, v->len);
    text[v->len] = '\0';
    int family = memchr(text, ':', v->len) ? AF_INET6 : AF_INET;
    if (inet_pton(family, text, ip) != 1)
        return false;
    if (family == AF_INET6 && !memcmp(ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12)) { /* IPv4 over a socket of both families */
        family = AF_INET;
        memmove(ip, ip + 12, 4);
    }
    if (!inet_ntop(family, ip, text, sizeof text))
        return false;
    const char *kind = ip_kind(family, ip);
    size_t len = strlen(text);
    const char *copy = wr_arena_strndup(ev->scratch, text, len);
    if (!copy)
        return false;
    wr_event_set_text(ev, col, copy, len);
    if (kind_col != WR_NO_COL)
        wr_event_set_text(ev, kind_col, kind, strlen(kind));
    return true;
}

bool wr_event_xml_at(const struct wr_json_doc *doc, uint32_t at)
{
    const char *p = doc->text + doc->mark[at];
    size_t len;
    if (*p != '"' || (p[1] != '<' && p[1] != '\\'))
        return false;
    p = wr_json_str_at(doc, at, &len);
    return len >= 7 && !memcmp(p, "<Event", 6);
}

/* IANA protocol numbers that have ports or are met all the same; others stay as they are. `tcp` -> `Tcp`. */
void wr_event_take_protocol(struct wr_event *ev, uint16_t col, const struct wr_json_val *v)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {{1, "Icmp"}, {2, "Igmp"}, {6, "Tcp"}, {17, "Udp"}, {47, "Gre"}, {58, "IcmpV6"}, {132, "Sctp"}};
    static const char *const icmp6[] = {"ipv6-icmp", "icmpv6", "icmp6", "icmp-v6"};
    int64_t n;
    if (wr_val_i64(v, &n)) {
        wr_event_set(ev, col, v);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            if (names[i].number == n)
                wr_event_set_text(ev, col, names[i].name, strlen(names[i].name));
        return;
    }
    for (size_t i = 0; v->type == WR_JSON_STR && i < sizeof icmp6 / sizeof *icmp6; i++)
        if (v->len == strlen(icmp6[i]) && !strncasecmp(v->s, icmp6[i], v->len)) {
            wr_event_set_text(ev, col, "IcmpV6", 6);
            return;
        }
    char *copy = v->type == WR_JSON_STR && v->len ? wr_arena_strndup(ev->scratch, v->s, v->len) : NULL;
    if (!copy)
        return;
    for (uint32_t i = 0; i < v->len; i++)
        copy[i] = wr_ascii_lower(copy[i]);
    if (copy[0] >= 'a' && copy[0] <= 'z')
        copy[0] = (char)(copy[0] - 32);
    wr_event_set_text(ev, col, copy, v->len);
}

/* `C:\Py\python.exe` -> path and name; `CORP\rkim` -> domain and name. */
void wr_event_take_image(struct wr_event *ev, const struct wr_json_val *v, uint16_t path_col, uint16_t name_col)
{
    uint32_t cut = v->len;
    while (cut && v->s[cut - 1] != '\\' && v->s[cut - 1] != '/')
        cut--;
    wr_event_set(ev, path_col, v);
    wr_event_set_text(ev, name_col, v->s + cut, v->len - cut);
}

void wr_event_take_user(struct wr_event *ev, const struct wr_json_val *v, uint16_t domain_col, uint16_t name_col)
{
    const char *slash = memchr(v->s, '\\', v->len);
    size_t domain = slash ? (size_t)(slash - v->s) : 0, name = slash ? domain + 1 : 0;
    if (slash)
        wr_event_set_text(ev, domain_col, v->s, domain);
    wr_event_set_text(ev, name_col, v->s + name, v->len - name);
}
