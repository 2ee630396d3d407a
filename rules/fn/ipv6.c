/* IPv6 in texts, "address" or "address/prefix"; IPv4 is taken as ::ffff:a.b.c.d, its prefix counted from there. What is
 * neither is null. Source: Kusto "ipv6-is-in-range function" and its kin, RFC 4291. */
#include "rules/fn/json.h"
#include "rules/fn/kernel.h"

#include <arpa/inet.h>
#include <stdio.h>

#define KERNEL(name)                                                                                         \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,                \
                     const struct wr_sel *sel, struct wr_vec *out)

struct ipv6 {
    uint8_t addr[16];
    int prefix;
};

enum { TEXT_MAX = 64 };

static bool parse(struct wr_slice text, struct ipv6 *ret_ip)
{
    char addr[TEXT_MAX];
    struct ipv6 ip = {.prefix = 128};
    const char *slash = text.len ? memchr(text.p, '/', text.len) : NULL;
    size_t len = slash ? (size_t)(slash - text.p) : text.len;
    int64_t prefix = -1;
    if (len == 0 || len >= TEXT_MAX || memchr(text.p, '\0', len))
        return false;
    if (slash) {
        struct wr_slice digits = {slash + 1, text.len - len - 1};
        bool plain = digits.len >= 1 && digits.len <= 3 && digits.p[0] >= '0' && digits.p[0] <= '9';
        if (!plain || !wr_text_to_long(digits.p, digits.len, &prefix))
            return false;
    }
    memcpy(addr, text.p, len);
    addr[len] = '\0';
    bool v4 = inet_pton(AF_INET, addr, ip.addr + 12) == 1;
    if (v4)
        ip.addr[10] = ip.addr[11] = 0xff;
    else if (inet_pton(AF_INET6, addr, ip.addr) != 1)
        return false;
    if (prefix > (v4 ? 32 : 128))
        return false;
    if (slash)
        ip.prefix = (int)prefix + (v4 ? 96 : 0);
    *ret_ip = ip;
    return true;
}

static bool parse_at(const struct wr_vec *v, uint32_t row, struct ipv6 *ret_ip)
{
    return parse((struct wr_slice){wr_str_data(&v->s[row]), v->s[row].len}, ret_ip);
}

/* Order of the first `prefix` bits. */
static int compare(const struct ipv6 *a, const struct ipv6 *b, int prefix)
{
    int cmp = memcmp(a->addr, b->addr, (size_t)prefix / 8);
    if (cmp || prefix % 8 == 0)
        return (cmp > 0) - (cmp < 0);
    int x = a->addr[prefix / 8] >> (8 - prefix % 8), y = b->addr[prefix / 8] >> (8 - prefix % 8);
    return (x > y) - (x < y);
}

KERNEL(ipv6_is_in_range)
{
    (void)ev;
    WR_EACH (sel, row) {
        struct ipv6 ip, net;
        bool any = false, yes = false;
        if (!parse_at(&args[0], row, &ip))
            continue;
        for (uint32_t a = 1; a < call->nargs && !yes; a++) {
            if (!parse_at(&args[a], row, &net))
                continue;
            any = true;
            yes = compare(&ip, &net, net.prefix) == 0;
        }
        if (any)
            wr_put_i(out, row, yes);
    }
}

KERNEL(ipv6_is_in_any_array)
{
    (void)call;
    struct wr_buf text = {0};
    WR_EACH (sel, row) {
        struct ipv6 ip, net;
        struct wr_slice list = {wr_str_data(&args[1].s[row]), args[1].s[row].len}, item;
        const char *at = NULL;
        bool yes = false;
        if (!parse_at(&args[0], row, &ip))
            continue;
        while (!yes && wr_json_next(list, &at, &item)) {
            wr_buf_reset(&text);
            wr_json_to_text(item.p, item.len, &text);
            yes = text.len && parse((struct wr_slice){text.data, text.len}, &net) &&
                  compare(&ip, &net, net.prefix) == 0;
        }
        wr_put_i(out, row, yes);
    }
    if (text.err)
        ev->err = WR_ENOMEM;
    wr_buf_fini(&text);
}

/* Under the shortest of both prefixes and the argument; false when there is no such comparison. */
static bool compared(const struct wr_ex *call, const struct wr_vec *args, uint32_t row, int *ret_cmp)
{
    struct ipv6 a, b;
    if (!parse_at(&args[0], row, &a) || !parse_at(&args[1], row, &b))
        return false;
    int64_t prefix = a.prefix < b.prefix ? a.prefix : b.prefix, given = call->nargs > 2 ? args[2].i[row] : 128;
    if (given < 0 || given > 128)
        return false;
    *ret_cmp = compare(&a, &b, (int)(given < prefix ? given : prefix));
    return true;
}

KERNEL(ipv6_is_match)
{
    (void)ev;
    WR_EACH (sel, row) {
        int cmp;
        if (compared(call, args, row, &cmp))
            wr_put_i(out, row, cmp == 0);
    }
}

KERNEL(ipv6_compare)
{
    (void)ev;
    WR_EACH (sel, row) {
        int cmp;
        if (compared(call, args, row, &cmp))
            wr_put_i(out, row, cmp);
    }
}

/* Eight full groups, masked by the prefix; "" for what is no address. */
KERNEL(parse_ipv6)
{
    (void)call;
    WR_EACH (sel, row) {
        struct ipv6 ip;
        char text[TEXT_MAX];
        if (!parse_at(&args[0], row, &ip))
            continue;
        for (int bit = ip.prefix; bit < 128; bit++)
            ip.addr[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
        for (int g = 0; g < 8; g++)
            snprintf(text + 5 * g, sizeof text - 5 * (size_t)g, g < 7 ? "%02x%02x:" : "%02x%02x", ip.addr[2 * g],
                     ip.addr[2 * g + 1]);
        wr_put_text(ev, out, row, text, 39);
    }
}
