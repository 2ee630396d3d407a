/* IPv4 addresses inside texts: has_ipv4 and its kin. An address stands between characters that are neither
 * letters, digits nor dots (Kusto: "has-ipv4 function"); what is no address to look for is found nowhere. */
#include "rules/fn/json.h"
#include "rules/fn/kernel.h"

#define KERNEL(name)                                                                                         \
    void wr_k_##name(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,                \
                     const struct wr_sel *sel, struct wr_vec *out)

/* Octets of an address from the start of `text`, up to 4, each with its dot but the last; the bytes they
 * take. */
static size_t octets(struct wr_slice text, uint8_t part[4], int *ret_n)
{
    size_t at = 0;
    *ret_n = 0;
    while (*ret_n < 4) {
        unsigned v = 0;
        size_t digits = 0;
        while (at + digits < text.len && digits < 4 && text.p[at + digits] >= '0' &&
               text.p[at + digits] <= '9')
            v = v * 10 + (unsigned)(text.p[at + digits++] - '0');
        if (digits == 0 || digits > 3 || v > 255)
            return at;
        part[(*ret_n)++] = (uint8_t)v;
        at += digits;
        if (*ret_n == 4 || at == text.len || text.p[at] != '.')
            return at;
        at++;
    }
    return at;
}

static bool part_of_word(char c)
{
    return wr_is_alnum(c) || c == '.';
}

/* What is looked for: a whole address, or, as a prefix, octets that end in a dot. */
struct wanted {
    uint8_t part[4];
    int n;
};

static bool wanted_parse(struct wr_slice text, bool prefix, struct wanted *ret)
{
    size_t end = octets(text, ret->part, &ret->n);
    if (ret->n == 0 || end != text.len)
        return false;
    return ret->n == 4 || (prefix && text.p[text.len - 1] == '.');
}

static bool has_address(struct wr_slice text, const struct wanted *want)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] < '0' || text.p[i] > '9' || (i && part_of_word(text.p[i - 1])))
            continue;
        uint8_t part[4];
        int n;
        size_t len = octets((struct wr_slice){text.p + i, text.len - i}, part, &n);
        if (n == 4 && (i + len == text.len || !wr_is_alnum(text.p[i + len])) &&
            memcmp(part, want->part, (size_t)want->n) == 0)
            return true;
    }
    return false;
}

static struct wr_slice slice_at(const struct wr_vec *v, uint32_t row)
{
    return (struct wr_slice){wr_str_data(&v->s[row]), v->s[row].len};
}

static void search(const struct wr_ex *call, const struct wr_vec *args, const struct wr_sel *sel,
                   struct wr_vec *out, bool prefix)
{
    WR_EACH (sel, row) {
        bool yes = false;
        struct wanted want;
        for (uint32_t a = 1; a < call->nargs && !yes; a++)
            yes = wanted_parse(slice_at(&args[a], row), prefix, &want) &&
                  has_address(slice_at(&args[0], row), &want);
        wr_put_i(out, row, yes);
    }
}

static void search_array(struct wr_eval *ev, const struct wr_vec *args, const struct wr_sel *sel,
                         struct wr_vec *out, bool prefix)
{
    struct wr_buf text = {0};
    WR_EACH (sel, row) {
        bool yes = false;
        const char *at = NULL;
        struct wr_slice item;
        while (!yes && wr_json_next(slice_at(&args[1], row), &at, &item)) {
            struct wanted want;
            wr_buf_reset(&text);
            wr_json_to_text(item.p, item.len, &text);
            yes = text.len && wanted_parse((struct wr_slice){text.data, text.len}, prefix, &want) &&
                  has_address(slice_at(&args[0], row), &want);
        }
        wr_put_i(out, row, yes);
    }
    if (text.err)
        ev->err = WR_ENOMEM;
    wr_buf_fini(&text);
}

KERNEL(has_ipv4)
{
    (void)ev;
    search(call, args, sel, out, false);
}

KERNEL(has_ipv4_prefix)
{
    (void)ev;
    search(call, args, sel, out, true);
}

KERNEL(has_ipv4_array)
{
    (void)call;
    search_array(ev, args, sel, out, false);
}

KERNEL(has_ipv4_prefix_array)
{
    (void)call;
    search_array(ev, args, sel, out, true);
}
