#include "collector/ops/http.h"

#include <string.h>

/* Visible ASCII, as a request target is (RFC 9112, 3.2). */
static bool target_char(char c)
{
    return c > ' ' && c < 0x7f;
}

static bool token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* Every header line is NAME ":" text; no folding, no control characters (RFC 9112, 5). */
static bool headers_ok(const char *at, const char *end)
{
    while (at < end) {
        const char *eol = memchr(at, '\n', (size_t)(end - at));
        if (!eol)
            return false;
        const char *stop = eol > at && eol[-1] == '\r' ? eol - 1 : eol;
        if (stop == at)
            return eol + 1 == end;
        const char *c = at;
        while (c < stop && token_char(*c))
            c++;
        if (c == at || c == stop || *c != ':')
            return false;
        for (; c < stop; c++)
            if ((unsigned char)*c < ' ' && *c != '\t')
                return false;
        at = eol + 1;
    }
    return false;
}

int wr_http_parse(const char *head, size_t len, char *ret_path, size_t path_cap, bool *ret_is_head)
{
    const char *end = head + len;
    const char *eol = memchr(head, '\n', len);
    if (!eol)
        return 400;
    const char *stop = eol > head && eol[-1] == '\r' ? eol - 1 : eol;
    const char *method_end = memchr(head, ' ', (size_t)(stop - head));
    if (!method_end || method_end == head)
        return 400;
    const char *target = method_end + 1;
    const char *target_end = memchr(target, ' ', (size_t)(stop - target));
    if (!target_end || *target != '/')
        return 400;
    const char *version = target_end + 1;
    if (stop - version != 8 || memcmp(version, "HTTP/1.", 7) != 0 || version[7] < '0' || version[7] > '9')
        return 400;
    for (const char *c = head; c < method_end; c++)
        if (!token_char(*c))
            return 400;
    size_t n = 0;
    for (const char *c = target; c < target_end; c++, n++)
        if (!target_char(*c))
            return 400;
    if (!headers_ok(eol + 1, end))
        return 400;
    size_t method_len = (size_t)(method_end - head);
    *ret_is_head = method_len == 4 && memcmp(head, "HEAD", 4) == 0;
    if (!*ret_is_head && (method_len != 3 || memcmp(head, "GET", 3) != 0))
        return 405;
    const char *query = memchr(target, '?', n);
    if (query)
        n = (size_t)(query - target);
    if (n >= path_cap)
        return 404; /* longer than any path that there is */
    memcpy(ret_path, target, n);
    ret_path[n] = '\0';
    return 0;
}
