/* Leases: which host an address was given to. ISC's and dnsmasq's own lines in Syslog, and rows of
 * CommonSecurityLog that a mapping made of another server's (DeviceEventClassID `dhcp-lease`,
 * SourceIP, SourceHostName). */
#include "parsers/conn/table.h"

#include "base/ticks.h"
#include "parsers/conn/address.h"

#include <string.h>

const char *const wr_conn_dhcp_names[WR_CONN_DHCP_NAMES] = {"dhcpd", "dnsmasq-dhcp"};
const char wr_conn_lease_class[] = "dhcp-lease";

void wr_conn_dhcp_cols(struct wr_colset *syslog, struct wr_colset *firewalls)
{
    static const uint16_t cols[] = {WR_SYSLOG_TimeGenerated, WR_SYSLOG_EventTime,
                                    WR_SYSLOG_ProcessName, WR_SYSLOG_SyslogMessage};
    for (size_t i = 0; i < sizeof cols / sizeof *cols; i++)
        wr_colset_add(syslog, cols[i]);
    wr_colset_add(firewalls, WR_CSL_TimeGenerated);
    wr_colset_add(firewalls, WR_CSL_DeviceEventClassID);
    wr_colset_add(firewalls, WR_CSL_SourceIP);
    wr_colset_add(firewalls, WR_CSL_SourceHostName);
}

enum { NAME_MAX_TEXT = 255 };

struct words {
    const char *at[8];
    size_t len[8];
    unsigned n;
};

static struct words words_of(const char *at, size_t len)
{
    struct words w = {.n = 0};
    const char *end = at + len;
    while (at < end && w.n < 8) {
        while (at < end && *at == ' ')
            at++;
        const char *from = at;
        while (at < end && *at != ' ')
            at++;
        if (at > from) {
            w.at[w.n] = from;
            w.len[w.n++] = (size_t)(at - from);
        }
    }
    return w;
}

static bool is(const struct words *w, unsigned i, const char *text)
{
    return i < w->n && w->len[i] == strlen(text) && memcmp(w->at[i], text, w->len[i]) == 0;
}

/* `DHCPACK on 10.0.0.5 to 02:00:.. (ws1) via eth0`, `DHCPACK(eth0) 10.0.0.5 02:00:.. ws1`. */
static bool lease_of(const char *text, size_t len, struct wr_who *ret_addr, struct wr_who *ret_name)
{
    struct words w = words_of(text, len);
    unsigned addr, name;
    if (is(&w, 0, "DHCPACK") && is(&w, 1, "on") && is(&w, 3, "to") && w.n > 5) {
        addr = 2;
        name = 5;
        if (w.len[name] < 3 || w.at[name][0] != '(' || w.at[name][w.len[name] - 1] != ')')
            return false;
        w.at[name]++;
        w.len[name] -= 2;
    } else if (w.n == 4 && w.len[0] > 8 && memcmp(w.at[0], "DHCPACK(", 8) == 0) {
        addr = 1;
        name = 3;
    } else {
        return false;
    }
    *ret_addr = (struct wr_who){(const uint8_t *)w.at[addr], (uint32_t)w.len[addr]};
    *ret_name = (struct wr_who){(const uint8_t *)w.at[name], (uint32_t)w.len[name]};
    return true;
}

static struct wr_who text_of(const struct wr_batch *b, uint16_t col, uint32_t row)
{
    const struct wr_vec *v = &b->col[col];
    if (!v->s)
        return (struct wr_who){0};
    return (struct wr_who){(const uint8_t *)wr_str_data(&v->s[row]), v->s[row].len};
}

static bool text_is(struct wr_who text, const char *want)
{
    return text.len == strlen(want) && memcmp(text.at, want, text.len) == 0;
}

static int64_t time_of(const struct wr_conn *c, const struct wr_batch *b, uint16_t col,
                       uint32_t row)
{
    const struct wr_vec *v = &b->col[col];
    if (!v->i || !wr_vec_valid(v, row) || v->i[row] <= WR_TICKS_UNIX_EPOCH)
        return c->now;
    int64_t ns = wr_ticks_to_unix_ns(v->i[row]);
    return ns < 0 ? 0 : ns > WR_TIME_MAX ? WR_TIME_MAX : ns;
}

static enum wr_err take(struct wr_conn *c, struct wr_who ip, struct wr_who name, int64_t when)
{
    uint8_t addr[16];
    bool v6;
    if (!name.len || name.len > NAME_MAX_TEXT ||
        !wr_address_parse((const char *)ip.at, ip.len, addr, &v6))
        return WR_OK;
    c->stats.leases++;
    return wr_agent_called(c, addr, v6, name, when, WR_CALLER_DHCP);
}

enum wr_err wr_conn_dhcp(struct wr_conn *conn, const struct wr_batch *b, uint32_t row,
                         int64_t now_ns)
{
    struct wr_who process = text_of(b, WR_SYSLOG_ProcessName, row),
                  text = text_of(b, WR_SYSLOG_SyslogMessage, row);
    struct wr_who ip, name;
    bool known = false;
    for (int k = 0; k < WR_CONN_DHCP_NAMES; k++)
        known |= text_is(process, wr_conn_dhcp_names[k]);
    enum wr_err err = wr_conn_advance(conn, now_ns);
    if (err || !known || !lease_of((const char *)text.at, text.len, &ip, &name))
        return err;
    const struct wr_vec *event = &b->col[WR_SYSLOG_EventTime];
    bool timed = event->i && wr_vec_valid(event, row);
    return take(conn, ip, name,
                time_of(conn, b, timed ? WR_SYSLOG_EventTime : WR_SYSLOG_TimeGenerated, row));
}

enum wr_err wr_conn_lease(struct wr_conn *conn, const struct wr_batch *b, uint32_t row,
                          int64_t now_ns)
{
    if (!text_is(text_of(b, WR_CSL_DeviceEventClassID, row), wr_conn_lease_class))
        return WR_OK;
    enum wr_err err = wr_conn_advance(conn, now_ns);
    return err ? err
               : take(conn, text_of(b, WR_CSL_SourceIP, row),
                      text_of(b, WR_CSL_SourceHostName, row),
                      time_of(conn, b, WR_CSL_TimeGenerated, row));
}
