#include "collector/cli/args.h"
#include "collector/cli/cli.h"
#include "collector/cli/out.h"
#include "collector/config/config.h"
#include "collector/state/snapshot.h"
#include "parsers/flow/decoder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { KEY_HTTP = 256, REPLY_MAX = 256 << 20, POLL_S = 2, WAIT_S = 10 };

static const struct wr_opt options[] = {
    {"http", "ADDR", "address of the running daemon's HTTP (127.0.0.1:8686)", KEY_HTTP},
    {"state", "DIR", "what the state directory has stored instead: templates by exporter", 's'},
    {"follow", NULL, "again every 2 seconds, until interrupted", 'F'},
    {"format", "WORD", "jsonl or table; table on a terminal, else jsonl", 'f'},
    {0},
};

static const struct wr_args_spec spec = {
    "exporters",
    "[OPTION]...",
    "Prints who sends flows: each exporter by source port or session, observation domain and\n"
    "protocol, with its templates, rates, loss by sequence number, sampling, clock offset and\n"
    "last error.",
    options,
    "  weir exporters --follow\n"
    "  weir exporters --format jsonl | jq -c 'select(.sequenceLost > 0)'",
};

/* ---- from the daemon ----------------------------------------------------------------------------- */

/* The whole reply of one GET; -errno. */
static int fetch(const struct wr_listen *at, const char *path, struct wr_buf *out)
{
    char request[256];
    int n = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n", path);
    int fd = socket(at->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    struct timeval wait = {.tv_sec = WAIT_S};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    int rc = 0;
    if (connect(fd, (const struct sockaddr *)&at->addr, at->addr_len) != 0 ||
        send(fd, request, (size_t)n, MSG_NOSIGNAL) != n)
        rc = -errno;
    while (rc == 0 && out->len < REPLY_MAX) {
        char *to = wr_buf_room(out, 65536);
        ssize_t got = to ? recv(fd, to, 65536, 0) : -1;
        if (got < 0)
            rc = to ? -errno : -ENOMEM;
        if (got <= 0)
            break;
        out->len += (size_t)got;
    }
    close(fd);
    return rc;
}

/* Where the body begins; NULL when the reply is no 200. */
static const char *body_of(const struct wr_buf *reply)
{
    static const char ok[] = "HTTP/1.1 200 ", gap[] = "\r\n\r\n";
    if (reply->len < sizeof ok - 1 || memcmp(reply->data, ok, sizeof ok - 1) != 0)
        return NULL;
    const char *end = memmem(reply->data, reply->len, gap, sizeof gap - 1);
    return end ? end + sizeof gap - 1 : NULL;
}

static bool from_daemon(const struct wr_listen *at, const char *text, struct wr_buf *lines)
{
    struct wr_buf reply = {0};
    int rc = fetch(at, "/exporters", &reply);
    const char *body = rc == 0 ? body_of(&reply) : NULL;
    if (rc)
        wr_cli_error("no answer from %s: %s; is `weir run` running, and is that its --http address?", text,
                     strerror(-rc));
    else if (!body)
        wr_cli_error("%s answers, but is no weir with /exporters", text);
    else
        wr_buf_add(lines, body, reply.len - (size_t)(body - reply.data));
    wr_buf_fini(&reply);
    return body && !lines->err;
}

/* ---- from the state directory -------------------------------------------------------------------- */

static int64_t wall_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool read_snapshot(const char *dir, struct wr_flow_decoder *dec)
{
    struct wr_snapshot snapshot;
    struct wr_snapshot_report report = {0};
    int rc = wr_snapshot_find(wr_io_real(), dir, UINT64_MAX, &snapshot, &report);
    if (rc <= 0) {
        wr_cli_error("%s: %s", dir, rc < 0 ? strerror(-rc) : "no whole snapshot: did weir run ever start with it?");
        return false;
    }
    enum wr_section kind;
    const uint8_t *bytes;
    size_t at = 0, len;
    while (wr_snapshot_next(&snapshot, &at, &kind, &bytes, &len))
        if (kind == WR_SECTION_TEMPLATES && wr_flow_decoder_load(dec, bytes, len) != WR_OK)
            wr_cli_error("%s: stored templates of another version of weir", dir);
    wr_snapshot_fini(&snapshot);
    return true;
}

static bool from_state(const char *dir, struct wr_buf *lines)
{
    struct wr_flow_decoder *dec = wr_flow_decoder_new(&(struct wr_flow_decoder_opts){0});
    bool ok = dec && read_snapshot(dir, dec);
    if (ok)
        wr_flow_decoder_exporters(dec, wall_ns(), lines);
    wr_flow_decoder_free(dec);
    return ok && !lines->err;
}

/* ---- printing ------------------------------------------------------------------------------------ */

static const struct column {
    const char *key, *head;
    int width;
    enum { AS_IT_IS, AGE, OFFSET } how;
} columns[] = {
    {"exporter", "EXPORTER", -24, AS_IT_IS},        {"port", "PORT", 6, AS_IT_IS},
    {"domain", "DOMAIN", 7, AS_IT_IS},              {"protocol", "PROTOCOL", -10, AS_IT_IS},
    {"state", "STATE", -7, AS_IT_IS},               {"lastSeenSeconds", "SEEN", 5, AGE},
    {"templates", "TMPL", 5, AS_IT_IS},             {"optionsTemplates", "OPT", 4, AS_IT_IS},
    {"templateSeenSeconds", "TOLD", 5, AGE},        {"messagesPerSecond", "MSG/S", 9, AS_IT_IS},
    {"recordsPerSecond", "REC/S", 10, AS_IT_IS},    {"sequenceLost", "LOST", 9, AS_IT_IS},
    {"samplingInterval", "1:N", 6, AS_IT_IS},       {"clockOffsetSeconds", "CLOCK", 7, OFFSET},
    {"lastErrorSeconds", "ERROR", 5, AGE},          {"lastError", "(LAST)", -14, AS_IT_IS},
};
enum { NCOLUMNS = sizeof columns / sizeof *columns };

/* 7s, 12m, 30h, 4d: two digits or so say enough to who reads a table. */
static int in_short(char *out, size_t room, double seconds, bool sign)
{
    static const struct {
        double below, unit;
        char name;
    } units[] = {{120, 1, 's'}, {7200, 60, 'm'}, {172800, 3600, 'h'}, {0, 86400, 'd'}};
    const double size = seconds < 0 ? -seconds : seconds;
    size_t u = 0;
    while (units[u].below > 0 && size >= units[u].below)
        u++;
    const char *minus = seconds <= -0.5 ? "-" : sign && seconds >= 0.5 ? "+" : "";
    return snprintf(out, room, "%s%.0f%c", minus, size / units[u].unit, units[u].name);
}

/* The value of `key` in one of our own flat lines; no text in them holds a quote. */
static const char *value_of(const char *line, size_t len, const char *name, size_t *ret_size)
{
    char key[64];
    int n = snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = memmem(line, len, key, (size_t)n), *end = line + len;
    size_t size = 0;
    if (at) {
        at += n;
        bool quoted = *at == '"';
        at += quoted;
        while (at + size < end && at[size] != (quoted ? '"' : ',') && at[size] != '}')
            size++;
    }
    *ret_size = size;
    return at ? at : "";
}

static void cell(struct wr_buf *out, const char *line, size_t len, const struct column *c)
{
    char text[32];
    size_t size;
    const char *at = value_of(line, len, c->key, &size);
    if (c->how != AS_IT_IS && size) { /* ends with a comma or a brace */
        size = (size_t)in_short(text, sizeof text, strtod(at, NULL), c->how == OFFSET);
        at = text;
    }
    size_t width = (size_t)(c->width < 0 ? -c->width : c->width), pad = size < width ? width - size : 0;
    if (c->width > 0)
        wr_buf_fmt(out, "%*s", (int)pad, "");
    wr_buf_printable(out, at, size);
    if (c->width < 0 && c != &columns[NCOLUMNS - 1])
        wr_buf_fmt(out, "%*s", (int)pad, "");
    wr_buf_char(out, c == &columns[NCOLUMNS - 1] ? '\n' : ' ');
}

static void print_table(struct wr_buf *out, const struct wr_buf *lines)
{
    for (int i = 0; i < NCOLUMNS; i++)
        wr_buf_fmt(out, "%*s%c", i + 1 < NCOLUMNS ? columns[i].width : 0, columns[i].head,
                   i + 1 < NCOLUMNS ? ' ' : '\n');
    for (size_t at = 0; at < lines->len;) {
        const char *nl = memchr(lines->data + at, '\n', lines->len - at);
        size_t len = nl ? (size_t)(nl - (lines->data + at)) : lines->len - at;
        for (int i = 0; i < NCOLUMNS; i++)
            cell(out, lines->data + at, len, &columns[i]);
        at += len + 1;
    }
}

struct source {
    const char *http_text, *dir;
    struct wr_listen http;
    bool table, follow;
};

static int run(const struct source *src)
{
    struct wr_out out;
    struct wr_buf lines = {0};
    int code = WR_EXIT_OK;
    wr_out_init(&out, STDOUT_FILENO);
    do {
        wr_buf_reset(&lines);
        if (!(src->dir ? from_state(src->dir, &lines) : from_daemon(&src->http, src->http_text, &lines))) {
            code = WR_EXIT_FOUND;
            break;
        }
        if (src->table)
            print_table(&out.buf, &lines);
        else
            wr_buf_add(&out.buf, lines.data, lines.len);
        if (src->follow && src->table)
            wr_buf_char(&out.buf, '\n');
        if (!wr_out_flush(&out))
            break;
        if (src->follow)
            nanosleep(&(struct timespec){.tv_sec = POLL_S}, NULL);
    } while (src->follow);
    wr_buf_fini(&lines);
    return wr_out_fini(&out, code);
}

int wr_cmd_exporters(int argc, char **argv)
{
    static const char *const formats[] = {"jsonl", "table", NULL};
    struct wr_args args;
    struct source src = {.http_text = "127.0.0.1:8686"};
    int key, format = isatty(STDOUT_FILENO);
    wr_args_init(&args, &spec, argc, argv);
    while ((key = wr_args_next(&args)) != WR_ARGS_END) {
        if (key == WR_ARGS_STOP)
            return args.code;
        if (key == KEY_HTTP)
            src.http_text = args.value;
        else if (key == 's')
            src.dir = args.value;
        else if (key == 'F')
            src.follow = true;
        else if (!wr_args_choice(&args, formats, &format))
            return WR_EXIT_USAGE;
    }
    if (wr_args_operands(&args) != argc)
        return wr_args_mistake(&spec, "it takes no argument such as '%s'", argv[wr_args_operands(&args)]);
    const char *wrong = wr_listen_parse(&src.http, src.http_text, 8686);
    if (wrong)
        return wr_args_mistake(&spec, "--http %s: %s", src.http_text, wrong);
    if (src.dir && src.follow)
        return wr_args_mistake(&spec, "--follow asks the running daemon: it does not go with --state");
    src.table = format == 1;
    return run(&src);
}
