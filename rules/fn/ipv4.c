/* IPv4 in texts: "a.b.c.d" or "a.b.c.d/n". Anything else is null, IPv6 too (Kusto: "ipv4-is-private
 * function"). */
#include "rules/fn/json.h"
#include "rules/fn/kernel.h"

#include <stdio.h>

#define KERNEL(name)                                                                                         \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,                \
                     const struct wr_sel *sel, struct wr_vec *out)

struct ipv4 {
    uint32_t addr;
    int prefix;
};

static bool decimal(const char **p, const char *end, int max, int *ret_v)
{
    int n = 0;
    *ret_v = 0;
    for (; *p < end && **p >= '0' && **p <= '9' && n < 3; n++)
        *ret_v = *ret_v * 10 + (*(*p)++ - '0');
    return n > 0 && *ret_v <= max;
}

static bool parse(struct wr_slice text, struct ipv4 *ret_ip)
{
    const char *p = text.p, *end = text.p + text.len;
    struct ipv4 ip = {.prefix = 32};
    for (int i = 0; i < 4; i++) {
        int part;
        if ((i && (p == end || *p++ != '.')) || !decimal(&p, end, 255, &part))
            return false;
        ip.addr = ip.addr << 8 | (uint32_t)part;
    }
    if (p < end && (*p++ != '/' || !decimal(&p, end, 32, &ip.prefix)))
        return false;
    *ret_ip = ip;
    return p == end;
}

static bool parse_at(const struct wr_vec *v, uint32_t row, struct ipv4 *ret_ip)
{
    return parse((struct wr_slice){wr_str_data(&v->s[row]), v->s[row].len}, ret_ip);
}

static uint32_t masked(uint32_t addr, int prefix)
{
    return prefix <= 0 ? 0 : addr & ~UINT32_C(0) << (32 - prefix);
}

static bool in_range(const struct ipv4 *ip, const struct ipv4 *net)
{
    return masked(ip->addr, net->prefix) == masked(net->addr, net->prefix);
}

KERNEL(ipv4_is_private)
{
    (void)ev, (void)call;
    static const struct ipv4 nets[] = {{0x0a000000, 8}, {0xac100000, 12}, {0xc0a80000, 16}};
    WR_EACH (sel, row) {
        struct ipv4 ip;
        if (!parse_at(&args[0], row, &ip))
            continue;
        ip.addr = masked(ip.addr, ip.prefix);
        bool yes = false;
        for (size_t i = 0; i < 3; i++)
            yes |= ip.prefix >= nets[i].prefix && in_range(&ip, &nets[i]);
        wr_put_i(out, row, yes);
    }
}

KERNEL(ipv4_is_in_range)
{
    (void)ev, (void)call;
    WR_EACH (sel, row) {
        struct ipv4 ip, net;
        if (parse_at(&args[0], row, &ip) && parse_at(&args[1], row, &net))
            wr_put_i(out, row, in_range(&ip, &net));
    }
}

KERNEL(ipv4_is_in_any_range)
{
    (void)ev;
    WR_EACH (sel, row) {
        struct ipv4 ip, net;
        if (!parse_at(&args[0], row, &ip))
            continue;
        bool yes = false;
        for (uint32_t a = 1; a < call->nargs && !yes; a++)
            yes = parse_at(&args[a], row, &net) && in_range(&ip, &net);
        wr_put_i(out, row, yes);
    }
}

KERNEL(ipv4_is_in_any_array)
{
    (void)call;
    struct wr_buf text = {0};
    WR_EACH (sel, row) {
        struct ipv4 ip, net;
        if (!parse_at(&args[0], row, &ip))
            continue;
        struct wr_slice list = {wr_str_data(&args[1].s[row]), args[1].s[row].len}, item;
        const char *at = NULL;
        bool yes = false;
        while (!yes && wr_json_next(list, &at, &item)) {
            wr_buf_reset(&text);
            wr_json_to_text(item.p, item.len, &text);
            yes = text.len && parse((struct wr_slice){text.data, text.len}, &net) && in_range(&ip, &net);
        }
        wr_put_i(out, row, yes);
    }
    if (text.err)
        ev->err = WR_ENOMEM;
    wr_buf_fini(&text);
}

/* Both masked to the shortest of their prefixes and the argument. */
static bool masked_pair(const struct wr_ex *call, const struct wr_vec *args, uint32_t row, uint32_t *ret_a,
                        uint32_t *ret_b)
{
    struct ipv4 a, b;
    if (!parse_at(&args[0], row, &a) || !parse_at(&args[1], row, &b))
        return false;
    int prefix = a.prefix < b.prefix ? a.prefix : b.prefix;
    if (call->nargs > 2 && args[2].i[row] < prefix) {
        if (args[2].i[row] < 0)
            return false;
        prefix = (int)args[2].i[row];
    }
    *ret_a = masked(a.addr, prefix);
    *ret_b = masked(b.addr, prefix);
    return true;
}

KERNEL(ipv4_is_match)
{
    (void)ev;
    WR_EACH (sel, row) {
        uint32_t a, b;
        if (masked_pair(call, args, row, &a, &b))
            wr_put_i(out, row, a == b);
    }
}

KERNEL(ipv4_compare)
{
    (void)ev;
    WR_EACH (sel, row) {
        uint32_t a, b;
        if (masked_pair(call, args, row, &a, &b))
            wr_put_i(out, row, (a > b) - (a < b));
    }
}

KERNEL(parse_ipv4)
{
    (void)ev, (void)call;
    WR_EACH (sel, row) {
        struct ipv4 ip;
        if (parse_at(&args[0], row, &ip))
            wr_put_i(out, row, masked(ip.addr, ip.prefix));
    }
}

static void put_format(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,
                       const struct wr_sel *sel, struct wr_vec *out, bool mask)
{
    WR_EACH (sel, row) {
        struct ipv4 ip = {.prefix = 32};
        if (args[0].s ? !parse_at(&args[0], row, &ip)
                      : !args[0].i || args[0].i[row] < 0 || args[0].i[row] > UINT32_MAX)
            continue;
        if (args[0].i)
            ip.addr = (uint32_t)args[0].i[row];
        if (call->nargs > 1) {
            if (args[1].i[row] < 0 || args[1].i[row] > 32)
                continue;
            if (args[1].i[row] < ip.prefix)
                ip.prefix = (int)args[1].i[row];
        }
        uint32_t a = masked(ip.addr, ip.prefix);
        char text[24];
        int n = snprintf(text, sizeof text, "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
        if (mask)
            n += snprintf(text + n, sizeof text - (size_t)n, "/%d", ip.prefix);
        wr_put_text(ev, out, row, text, (size_t)n);
    }
}

KERNEL(format_ipv4)
{
    put_format(ev, call, args, sel, out, false);
}

KERNEL(format_ipv4_mask)
{
    put_format(ev, call, args, sel, out, true);
}

KERNEL(ipv4_netmask_suffix)
{
    (void)ev, (void)call;
    WR_EACH (sel, row) {
        struct ipv4 ip;
        if (parse_at(&args[0], row, &ip))
            wr_put_i(out, row, ip.prefix);
    }
}

/* parse_ipv4_mask(ip, prefix): the shorter one of both prefixes counts. */
KERNEL(parse_ipv4_mask)
{
    (void)ev, (void)call;
    WR_EACH (sel, row) {
        struct ipv4 ip;
        int64_t prefix = args[1].i[row];
        if (prefix >= 0 && prefix <= 32 && parse_at(&args[0], row, &ip))
            wr_put_i(out, row, masked(ip.addr, ip.prefix < prefix ? ip.prefix : (int)prefix));
    }
}
