/* Syslog headers. RFC 5424 is a grammar; RFC 3164 describes what was seen in the field, and devices go on
 * from there: sequence numbers, a host before the time, years, no time at all. The parser takes one piece
 * after the other, and a piece that is not there costs nothing; what is left over is the message. Examples of
 * each form are the test's table. */
#include "parsers/log/header.h"

#include <string.h>

enum { MAX_SD_PARAMS = 128, MAX_HOST = 255, MAX_TAG = 128 };

struct cur {
    const char *at, *end;
};

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool alnum(char c)
{
    return digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static size_t left(const struct cur *c)
{
    return (size_t)(c->end - c->at);
}

static bool starts(const struct cur *c, const char *word)
{
    size_t n = strlen(word);
    return left(c) >= n && !memcmp(c->at, word, n);
}

static bool skip(struct cur *c, char want)
{
    if (c->at == c->end || *c->at != want)
        return false;
    c->at++;
    return true;
}

static void blanks(struct cur *c)
{
    while (skip(c, ' '))
        ;
}

/* Bytes up to a blank. */
static struct wr_slice word(struct cur *c)
{
    struct wr_slice s = {c->at, 0};
    while (c->at < c->end && *c->at != ' ')
        c->at++;
    s.len = (size_t)(c->at - s.p);
    return s;
}

const char *wr_facility_name(int facility)
{
    static const char *const names[24] = {"kern",   "user",   "mail",   "daemon", "auth",     "syslog",
                                          "lpr",    "news",   "uucp",   "cron",   "authpriv", "ftp",
                                          "ntp",    "audit",  "alert",  "clock",  "local0",   "local1",
                                          "local2", "local3", "local4", "local5", "local6",   "local7"};
    return facility >= 0 && facility < 24 ? names[facility] : "";
}

const char *wr_severity_name(int severity)
{
    static const char *const names[8] = {"emerg",   "alert",  "crit", "err",
                                         "warning", "notice", "info", "debug"};
    return severity >= 0 && severity < 8 ? names[severity] : "";
}

/* `<0>` to `<999>`; anything else is text. */
static bool pri(struct cur *c, struct wr_header *h)
{
    int v = 0, n = 0;
    const char *p = c->at;
    if (p == c->end || *p++ != '<')
        return false;
    for (; p < c->end && digit(*p) && n < 4; p++, n++)
        v = v * 10 + (*p - '0');
    if (n < 1 || n > 3 || p == c->end || *p != '>')
        return false;
    h->pri_missing = false;
    h->pri_noncanonical = n > 1 && c->at[1] == '0';
    h->facility = v > 191 ? -1 : v / 8;
    h->severity = v > 191 ? -1 : v % 8;
    c->at = p + 1;
    return true;
}

static bool host_like(const struct wr_slice *s)
{
    if (s->len == 0 || s->len > MAX_HOST)
        return false;
    for (size_t i = 0; i < s->len; i++)
        if (!alnum(s->p[i]) && !strchr(".-_:/%[]@", s->p[i]))
            return false;
    return s->p[s->len - 1] != ':' && memchr(s->p, 0, s->len) == NULL;
}

/* ---- RFC 5424 ---- */

static struct wr_slice nil_word(struct cur *c)
{
    struct wr_slice s = word(c);
    skip(c, ' ');
    if (s.len == 1 && *s.p == '-')
        s.len = 0;
    return s;
}

/* One `name="value"`; in values \" \\ \] are escapes. */
static bool sd_param(struct cur *c)
{
    const char *name = c->at;
    while (c->at != c->end && *c->at > ' ' && *c->at != '=' && *c->at != ']' && *c->at != '"')
        c->at++;
    if (c->at == name || !skip(c, '=') || !skip(c, '"'))
        return false;
    for (; c->at < c->end && *c->at != '"'; c->at++)
        if (*c->at == '\\' && c->end - c->at > 1 && strchr("\"\\]", c->at[1]) && c->at[1])
            c->at++;
    return skip(c, '"');
}

/* STRUCTURED-DATA, or nothing taken: vendors put other things in brackets there. */
static struct wr_slice structured_data(struct cur *c)
{
    struct cur p = *c;
    int params = 0;
    if (skip(&p, '-') && (p.at == p.end || *p.at == ' ')) {
        skip(&p, ' ');
        *c = p;
        return (struct wr_slice){0};
    }
    p = *c;
    while (skip(&p, '[')) {
        const char *id = p.at;
        while (p.at != p.end && *p.at > ' ' && !strchr("=]\"", *p.at))
            p.at++;
        if (p.at == id)
            return (struct wr_slice){0};
        while (skip(&p, ' '))
            if (++params > MAX_SD_PARAMS || !sd_param(&p))
                return (struct wr_slice){0};
        if (!skip(&p, ']'))
            return (struct wr_slice){0};
    }
    struct wr_slice sd = {c->at, (size_t)(p.at - c->at)};
    if (sd.len && p.at < p.end && *p.at != ' ')
        return (struct wr_slice){0};
    skip(&p, ' ');
    *c = p;
    return sd;
}

/* VERSION SP TIMESTAMP ... A time of the epoch is Meraki's: host and type, then the message. */
static bool rfc5424(struct cur *c, struct wr_header *h)
{
    struct cur p = *c;
    int n = 0;
    for (; p.at < p.end && digit(*p.at) && n < 3; p.at++)
        n++;
    if (n == 0 || !skip(&p, ' '))
        return false;
    bool nil = starts(&p, "- ");
    bool iso = !nil && wr_time_iso(&p.at, p.end, &h->time);
    bool epoch = !nil && !iso && wr_time_epoch(&p.at, p.end, &h->time);
    if (!nil && !iso && !epoch)
        return false;
    if (nil)
        skip(&p, '-');
    h->has_time = !nil;
    skip(&p, ' ');
    h->host = nil_word(&p);
    h->process = nil_word(&p);
    if (!epoch) {
        h->pid = nil_word(&p);
        nil_word(&p); /* MSGID has no column */
        h->sd = structured_data(&p);
    }
    blanks(&p); /* rsyslog sends two */
    if (starts(&p, "\xef\xbb\xbf"))
        p.at += 3;
    *c = p;
    return true;
}

/* ---- RFC 3164 and its relatives ---- */

/* `su[230]: `, `sshd: `, `%ASA-6-302013: `; a Cisco mnemonic stays in the message, where rules look. */
static bool tag(struct cur *c, struct wr_header *h)
{
    struct cur p = *c;
    while (p.at < p.end && (alnum(*p.at) || (*p.at && strchr("._/-%@", *p.at))) && p.at - c->at < MAX_TAG)
        p.at++;
    struct wr_slice name = {c->at, (size_t)(p.at - c->at)}, pid = {0};
    if (name.len == 0)
        return false;
    if (skip(&p, '[')) {
        pid.p = p.at;
        while (p.at < p.end && *p.at != ']' && *p.at > ' ')
            p.at++;
        pid.len = (size_t)(p.at - pid.p);
        if (!skip(&p, ']') || (!skip(&p, ':') && p.at < p.end && *p.at != ' '))
            return false;
    } else if (!skip(&p, ':')) {
        return false;
    }
    if (p.at < p.end && *p.at != ' ' && *p.at != '\t')
        return false;
    h->process = name;
    h->pid = pid;
    if (*name.p == '%')
        return true;
    blanks(&p);
    *c = p;
    return true;
}

/* What Cisco puts before the time: `4217: `, `rtr1: `, `004215: `, `: `, then `*` or `.`. Only good when a
 * time follows. */
static bool timestamp(struct cur *c, int64_t now, struct wr_header *h)
{
    struct cur p = *c;
    struct wr_slice host = {0};
    for (int i = 0; i < 4; i++) {
        blanks(&p);
        struct cur q = p;
        bool mark = skip(&q, '*') || skip(&q, '.');
        if (wr_time_bsd(&q.at, q.end, now, &h->time) || (!mark && wr_time_iso(&q.at, q.end, &h->time))) {
            h->has_time = true;
            h->host = host;
            *c = q;
            return true;
        }
        struct wr_slice w = word(&p);
        if (w.len == 0 || w.p[w.len - 1] != ':')
            return false;
        w.len--;
        bool number = true;
        for (size_t k = 0; k < w.len; k++)
            number = number && digit(w.p[k]);
        if (!number && (host.len || !host_like(&w)))
            return false;
        if (!number)
            host = w;
    }
    return false;
}

/* ` UTC:`, ` CEST:` or `:` behind the time. */
static bool zone_and_colon(struct cur *c)
{
    struct cur p = *c;
    if (skip(&p, ' ')) {
        int n = 0;
        for (; p.at < p.end && *p.at >= 'A' && *p.at <= 'Z'; p.at++)
            n++;
        if (n < 2 || n > 5)
            return false;
    }
    if (!skip(&p, ':') || (p.at < p.end && *p.at != ' '))
        return false;
    *c = p;
    return true;
}

static void host_and_tag(struct cur *c, struct wr_header *h)
{
    static const char aix[] = "Message forwarded from ";
    struct cur p = *c;
    if (starts(&p, "last message repeated") || starts(&p, "message repeated"))
        return;
    if (starts(&p, aix)) {
        p.at += sizeof aix - 1;
        struct wr_slice w = word(&p);
        if (w.len > 1 && w.p[w.len - 1] == ':') {
            w.len--;
            h->host = w;
            blanks(&p);
            *c = p;
        }
        tag(c, h);
        return;
    }
    if (tag(&p, h)) { /* no host: the tag stands where it should be */
        *c = p;
        return;
    }
    struct wr_slice w = word(&p);
    if (!host_like(&w))
        return;
    h->host = w;
    blanks(&p);
    if (p.end - p.at >= 2 && p.at[0] == ':' && p.at[1] == ' ') { /* ASA: `asa1 : %ASA-..` */
        p.at++;
        blanks(&p);
    }
    *c = p;
    tag(c, h);
}

static bool rfc3164(struct cur *c, int64_t now, struct wr_header *h)
{
    if (!timestamp(c, now, h))
        return false;
    if (zone_and_colon(c)) {
        blanks(c);
        tag(c, h);
        return true;
    }
    blanks(c);
    host_and_tag(c, h);
    return true;
}

static void header(struct cur *c, int64_t now, struct wr_header *h, bool relayed)
{
    struct cur start = *c;
    if (starts(c, "\xef\xbb\xbf"))
        c->at += 3;
    while (skip(c, ' ') || skip(c, '\n'))
        ;
    bool has_pri = pri(c, h);
    if (!has_pri)
        *c = start;
    if (rfc5424(c, h) || rfc3164(c, now, h)) {
        struct wr_header inner = *h;
        struct cur p = *c;
        if (relayed || c->at == c->end || *c->at != '<' || !pri(&p, &inner))
            return;
        p = *c; /* a relay put its own header before the sender's: the sender's is right */
        inner = (struct wr_header){.pri_missing = true, .facility = 1, .severity = 5};
        header(&p, now, &inner, true);
        if (inner.has_time) {
            *h = inner;
            *c = p;
        }
    } else if (has_pri) {
        tag(c, h);
    }
}

void wr_header_parse(const char *data, size_t len, int64_t now, struct wr_header *ret_header)
{
    struct cur c = {data, data + len};
    struct wr_header h = {.facility = 1, .severity = 5, .pri_missing = true}; /* RFC 3164 section 4.3.3 */
    header(&c, now, &h, false);
    h.message = (struct wr_slice){c.at, left(&c)};
    *ret_header = h;
}
