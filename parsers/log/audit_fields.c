/* An event of the audit daemon by laurel's paths. Values are plain (`exit=-115`), quoted
 * (`exe="/usr/bin/curl"`), or in hexadecimal where a quoted one would not hold its bytes
 * (`exe=2F746D702F6120`). An ENRICHED record has names behind a 0x1d, which rsyslog writes as #035 and others leave out:
 * then the first name stands at the end of the last value (`saddr=0200..00SADDR={`, `key=(null)ARCH=`). */
#include "parsers/log/audit.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { MAX_FIELDS = 128, MAX_KEY = 32 };

struct field {
    struct wr_slice key, value;
    bool quoted;
};

/* ---- fields of a record ---- */

static size_t separator(const char *p, const char *end)
{
    if (*p == ' ' || *p == '\x1d')
        return 1;
    return end - p >= 4 && !memcmp(p, "#035", 4) ? 4 : 0;
}

static bool next_field(const char **at, const char *end, struct field *ret)
{
    const char *p = *at, *start;
    for (;;) {
        size_t n;
        while (p < end && (n = separator(p, end)))
            p += n;
        for (start = p; p < end && *p != '=' && !separator(p, end);)
            p++;
        if (p == end)
            return false;
        if (*p == '=' && p > start)
            break;
        p++; /* a word without value */
    }
    ret->key = (struct wr_slice){start, (size_t)(p - start)};
    start = ++p;
    ret->quoted = p < end && *p == '"';
    if (ret->quoted) {
        start++;
        const char *quote = memchr(start, '"', (size_t)(end - start));
        p = quote ? quote : end;
        *at = quote ? quote + 1 : end;
    } else {
        while (p < end && !separator(p, end))
            p++;
        *at = p;
    }
    ret->value = (struct wr_slice){start, (size_t)(p - start)};
    return true;
}

static bool is(const struct wr_slice *s, const char *word)
{
    return s->len == strlen(word) && !memcmp(s->p, word, s->len);
}

static struct wr_slice value_of(const struct wr_slice *fields, const char *key)
{
    const char *at = fields->p, *end = at + fields->len;
    struct field f;
    for (int i = 0; i < MAX_FIELDS && next_field(&at, end, &f); i++)
        if (is(&f.key, key))
            return f.value;
    return (struct wr_slice){0};
}

static int digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

/* 0 when it is no number up to 9 digits, or one in hexadecimal of up to 8. */
static uint32_t number(const struct wr_slice *s, unsigned base)
{
    uint32_t v = 0;
    for (size_t i = 0; i < s->len; i++) {
        int d = digit(s->p[i]);
        if (d < 0 || (unsigned)d >= base || s->len > (base == 10 ? 9 : 8))
            return 0;
        v = v * base + (uint32_t)d;
    }
    return v;
}

/* ---- system calls ---- */

/* Numbers by machine (linux/audit.h AUDIT_ARCH_*); 0: not there. */
static const struct {
    uint32_t arch;
    uint16_t connect, accept, accept4, execve, execveat, socketcall;
} machines[] = {
    {0xc000003e, 42, 43, 288, 59, 322, 0},     /* x86_64 */
    {0x40000003, 362, 0, 364, 11, 358, 102},   /* i386 */
    {0xc00000b7, 203, 202, 242, 221, 281, 0},  /* aarch64 */
    {0xc00000f3, 203, 202, 242, 221, 281, 0},  /* riscv64 */
    {0x40000028, 283, 285, 366, 11, 387, 102}, /* arm */
    {0xc0000015, 328, 330, 344, 11, 362, 102}, /* ppc64le */
    {0x80000016, 362, 0, 364, 11, 354, 102},   /* s390x */
};

static const char *by_number(uint32_t arch, uint32_t call, uint32_t a0)
{
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++) {
        if (machines[i].arch != arch || !call)
            continue;
        if (call == machines[i].socketcall) /* linux/net.h SYS_CONNECT, SYS_ACCEPT, SYS_ACCEPT4 */
            return a0 == 3 ? "connect" : a0 == 5 ? "accept" : a0 == 18 ? "accept4" : NULL;
        return call == machines[i].connect    ? "connect"
               : call == machines[i].accept   ? "accept"
               : call == machines[i].accept4  ? "accept4"
               : call == machines[i].execve   ? "execve"
               : call == machines[i].execveat ? "execveat"
                                              : NULL;
    }
    return NULL;
}

const char *wr_audit_call_of(const struct wr_slice *fields)
{
    static const char *const names[] = {"connect", "accept", "accept4", "execve", "execveat"};
    struct wr_slice arch = {0}, call = {0}, a0 = {0}, name = {0};
    const char *at = fields->p, *end = at + fields->len;
    struct field f;
    for (int i = 0; i < MAX_FIELDS && next_field(&at, end, &f); i++) {
        struct wr_slice *to = is(&f.key, "arch")      ? &arch
                              : is(&f.key, "syscall") ? &call
                              : is(&f.key, "a0")      ? &a0
                              : is(&f.key, "SYSCALL") ? &name
                                                      : NULL;
        if (to && !to->len)
            *to = f.value;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is(&name, names[i]))
            return names[i];
    return by_number(number(&arch, 16), number(&call, 10), number(&a0, 16));
}

/* ---- values ---- */

struct out {
    struct wr_arena *scratch;
    wr_audit_each *each;
    void *ctx;
};

static void put(const struct out *o, const char *path, const char *text, size_t len)
{
    struct wr_json_val v = {.type = WR_JSON_STR, .len = (uint32_t)len, .s = text};
    if (len)
        o->each(o->ctx, path, strlen(path), &v);
}

/* Bytes as they were: unquoted ones of hexadecimal digits stand for others. NULL: nothing, or no
 * memory. */
static char *bytes_of(const struct out *o, const struct field *f, size_t *ret_len)
{
    const struct wr_slice *s = &f->value;
    char *raw = wr_arena_bytes_alloc(o->scratch, s->len + 1);
    if (!raw || is(s, "(null)") || (!f->quoted && is(s, "?")))
        return NULL;
    size_t n = s->len / 2;
    bool hex = !f->quoted && s->len >= 2 && s->len % 2 == 0;
    for (size_t i = 0; i < n && hex; i++) {
        int high = digit(s->p[2 * i]), low = digit(s->p[2 * i + 1]);
        hex = high >= 0 && low >= 0;
        raw[i] = (char)((high & 15) << 4 | (low & 15));
    }
    if (!hex && (n = s->len) > 0)
        memcpy(raw, s->p, n);
    *ret_len = n;
    return raw;
}

/* The same as text; NULs part the arguments of a command line. */
static char *text_of(const struct out *o, const struct field *f, size_t *ret_len)
{
    size_t n, replaced;
    char *raw = bytes_of(o, f, &n);
    if (!raw)
        return NULL;
    while (n && raw[n - 1] == '\0')
        n--;
    for (size_t i = 0; i < n; i++)
        raw[i] = raw[i] ? raw[i] : ' ';
    if (!wr_utf8_valid(raw, n)) {
        char *good = wr_arena_bytes_alloc(o->scratch, n * 3);
        if (!good)
            return NULL;
        n = wr_utf8_repair(raw, n, good, &replaced);
        raw = good;
    }
    *ret_len = n;
    return raw;
}

/* struct sockaddr of the machine that made the record: the family in its own byte order, the port
 * in the network's. */
static void address(const struct out *o, const struct field *f)
{
    char text[INET6_ADDRSTRLEN], port[8];
    size_t n;
    const unsigned char *raw = (const unsigned char *)bytes_of(o, f, &n);
    if (!raw || n < 8)
        return;
    unsigned family = raw[0] ? raw[0] : raw[1];
    bool v6 = family == 10;
    if ((family != 2 && !v6) || (raw[0] && raw[1]) || (v6 && n < 24))
        return;
    if (!inet_ntop(v6 ? AF_INET6 : AF_INET, raw + (v6 ? 8 : 4), text, sizeof text))
        return;
    const char *kept = wr_arena_strndup(o->scratch, text, strlen(text));
    snprintf(port, sizeof port, "%u", raw[2] << 8 | raw[3]);
    const char *kept_port = wr_arena_strndup(o->scratch, port, strlen(port));
    if (!kept || !kept_port)
        return;
    put(o, "SOCKADDR.0.SADDR.saddr_fam", v6 ? "inet6" : "inet", v6 ? 5 : 4);
    put(o, "SOCKADDR.0.SADDR.addr", kept, strlen(kept));
    put(o, "SOCKADDR.0.SADDR.port", kept_port, strlen(port));
}

static void call_fields(const struct out *o, const struct wr_slice *fields)
{
    const char *at = fields->p, *end = at + fields->len, *name = wr_audit_call_of(fields);
    char path[MAX_KEY + 16];
    struct field f;
    struct wr_slice uid = value_of(fields, "uid"), user = value_of(fields, "UID");
    for (int i = 0; i < MAX_FIELDS && next_field(&at, end, &f); i++) {
        bool text = is(&f.key, "exe") || is(&f.key, "comm") || is(&f.key, "key");
        char *s = text ? text_of(o, &f, &f.value.len) : (char *)f.value.p;
        if (!s || f.key.len > MAX_KEY || is(&f.key, "SYSCALL") ||
            (f.value.len > 8 && !memcmp(s, "unknown(", 8)))
            continue;
        snprintf(path, sizeof path, "SYSCALL.%.*s", (int)f.key.len, f.key.p);
        put(o, path, s, f.value.len);
    }
    if (name)
        put(o, "SYSCALL.SYSCALL", name, strlen(name));
    if (is(&uid, "0") && !user.len)
        put(o, "SYSCALL.UID", "root", 4);
}

/* `a0=.. a1=..`; a long one in pieces, `a1[0]=..`, its length before it. Of several records one
 * text. */
static void arguments(const struct out *o, const struct wr_slice *fields, struct wr_buf *line)
{
    const char *at = fields->p, *end = at + fields->len;
    struct field f;
    while (next_field(&at, end, &f)) {
        size_t i = 1, n;
        while (i < f.key.len && f.key.p[i] >= '0' && f.key.p[i] <= '9')
            i++;
        bool piece = i > 1 && i + 3 <= f.key.len && f.key.p[i] == '[',
             first = piece && f.key.p[i + 1] == '0';
        if (f.key.p[0] != 'a' || i < 2 || (i < f.key.len && !piece))
            continue;
        const char *s = text_of(o, &f, &n);
        if (!s)
            continue;
        if (line->len && (!piece || first))
            wr_buf_char(line, ' ');
        wr_buf_add(line, s, n);
    }
}

static void title(const struct out *o, const struct wr_slice *fields)
{
    const char *at = fields->p;
    struct field f;
    size_t n;
    if (!next_field(&at, at + fields->len, &f) || !is(&f.key, "proctitle"))
        return;
    const char *s = text_of(o, &f, &n);
    if (s)
        put(o, "PROCTITLE.ARGV", s, n);
}

static void one_record(const struct out *o, const struct wr_audit_record *r, struct wr_buf *line)
{
    struct wr_slice saddr;
    if (is(&r->type, "SYSCALL")) {
        call_fields(o, &r->fields);
    } else if (is(&r->type, "SOCKADDR")) {
        saddr = value_of(&r->fields, "saddr");
        size_t digits = 0;
        while (digits < saddr.len && digit(saddr.p[digits]) >= 0)
            digits++;
        saddr.len = digits; /* of hexadecimal; what follows is a name */
        address(o, &(struct field){.value = saddr});
    } else if (is(&r->type, "EXECVE")) {
        arguments(o, &r->fields, line);
    } else {
        title(o, &r->fields);
    }
}

void wr_audit_fields(const struct wr_audit_event *event, struct wr_arena *scratch,
                     wr_audit_each *each, void *ctx)
{
    struct out o = {scratch, each, ctx};
    struct wr_buf line = {0};
    struct wr_rd rd = wr_rd_init(event->text.data, event->text.len);
    static const char *const heads[] = {"NODE", "ID"};
    uint32_t n;
    for (int i = 0; i < 2; i++) {
        const char *s = (const char *)wr_rd_blob(&rd, &n);
        if (!rd.err)
            put(&o, heads[i], s, n);
    }
    while (!rd.err && rd.at < rd.end) {
        const char *s = (const char *)wr_rd_blob(&rd, &n);
        struct wr_audit_record r;
        if (!rd.err && wr_audit_record(s, n, &r))
            one_record(&o, &r, &line);
    }
    const char *whole =
        line.err || !line.len ? NULL : wr_arena_strndup(scratch, line.data, line.len);
    if (whole)
        put(&o, "EXECVE.ARGV", whole, line.len);
    wr_buf_fini(&line);
}
