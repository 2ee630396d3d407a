#include "collector/ops/http.h"
#include "collector/ops/notify.h"
#include "collector/ops/oplog.h"
#include "collector/ops/prom_merge.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- requests as text ---- */

static int parse(const char *head, char path[64])
{
    bool is_head;
    return wr_http_parse(head, strlen(head), path, 64, &is_head);
}

Test(http, good_requests)
{
    char path[64];
    cr_assert_eq(parse("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", path), 0);
    cr_assert_str_eq(path, "/metrics");
    cr_assert_eq(parse("GET /healthz?x=1 HTTP/1.0\n\n", path), 0);
    cr_assert_str_eq(path, "/healthz");
    cr_assert_eq(parse("HEAD / HTTP/1.1\r\nA:\r\nB: \tc d\r\n\r\n", path), 0);
}

Test(http, bad_requests_are_refused_with_the_right_status)
{
    static const struct {
        const char *head;
        int status;
    } cases[] = {
        {"\r\n", 400},
        {"GET\r\n\r\n", 400},
        {"GET /\r\n\r\n", 400},
        {"GET / HTTP/2.0\r\n\r\n", 400},
        {"GET / HTTP/1.1 \r\n\r\n", 400},
        {"GET metrics HTTP/1.1\r\n\r\n", 400},
        {"GET  / HTTP/1.1\r\n\r\n", 400},
        {"GET /a\x01 HTTP/1.1\r\n\r\n", 400},
        {"GET /\xff HTTP/1.1\r\n\r\n", 400},
        {"G\x7fT / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n: empty\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n folded: x\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nA: \x01\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nA : x\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\n\r\n", 405},
        {"get / HTTP/1.1\r\n\r\n", 405},
        {"GET /0123456789012345678901234567890123456789012345678901234567890123456789 HTTP/1.1\r\n\r\n", 404},
    };
    char path[64];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_assert_eq(parse(cases[i].head, path), cases[i].status, "%s", cases[i].head);
}

/* ---- the server ---- */

static int handler(void *arg, const char *path, struct wr_buf *body, const char **ret_type)
{
    (void)arg;
    (void)ret_type;
    wr_buf_str(body, path);
    return strcmp(path, "/there") == 0 ? 200 : 404;
}

struct client {
    uint16_t port;
    const char *request;
    size_t len;
    char reply[20000];
    uv_async_t *done;
};

static void *talk(void *arg)
{
    struct client *c = arg;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(c->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    size_t got = 0;
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0) {
        for (size_t at = 0; at < c->len; at += 1000) /* in pieces, as a network brings it */
            if (send(fd, c->request + at, c->len - at < 1000 ? c->len - at : 1000, MSG_NOSIGNAL) < 0)
                break;
        ssize_t n;
        while (got < sizeof c->reply - 1 && (n = recv(fd, c->reply + got, sizeof c->reply - 1 - got, 0)) > 0)
            got += (size_t)n;
    }
    c->reply[got] = '\0';
    close(fd);
    uv_async_send(c->done);
    return NULL;
}

static void on_done(uv_async_t *async)
{
    uv_stop(async->loop);
}

/* One request against a real server; the reply is in `c`. */
static void exchange(struct client *c, const char *request, size_t len)
{
    uv_loop_t loop;
    uv_async_t done;
    uv_loop_init(&loop);
    uv_async_init(&loop, &done, on_done);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int rc = 0;
    struct wr_http *http = wr_http_new(&loop, (struct sockaddr *)&at, handler, NULL, &rc);
    cr_assert_not_null(http);
    *c = (struct client){.port = wr_http_port(http), .request = request, .len = len, .done = &done};
    pthread_t thread;
    pthread_create(&thread, NULL, talk, c);
    uv_run(&loop, UV_RUN_DEFAULT);
    pthread_join(thread, NULL);
    wr_http_close(http);
    uv_close((uv_handle_t *)&done, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    cr_assert_eq(uv_loop_close(&loop), 0);
}

Test(http, answers_and_closes)
{
    static struct client c;
    const char *get = "GET /there HTTP/1.1\r\nHost: x\r\n\r\n";
    exchange(&c, get, strlen(get));
    cr_assert_eq(strncmp(c.reply, "HTTP/1.1 200 OK\r\n", 17), 0, "%s", c.reply);
    cr_assert_not_null(strstr(c.reply, "\r\n\r\n/there"));
    const char *head = "HEAD /there HTTP/1.1\r\n\r\n";
    exchange(&c, head, strlen(head));
    cr_assert_not_null(strstr(c.reply, "Content-Length: 6\r\n"));
    cr_assert_null(strstr(c.reply, "/there"));
    const char *lost = "GET /no HTTP/1.1\r\n\r\n";
    exchange(&c, lost, strlen(lost));
    cr_assert_eq(strncmp(c.reply, "HTTP/1.1 404 ", 13), 0, "%s", c.reply);
}

Test(http, a_head_without_end_is_refused)
{
    static struct client c;
    static char request[9000];
    memset(request, 'a', sizeof request);
    memcpy(request, "GET / HTTP/1.1\r\nA: ", 19);
    exchange(&c, request, sizeof request);
    /* The kernel may drop the reply with a reset when bytes were left unread: an empty one is a refusal too.
     */
    cr_assert(c.reply[0] == '\0' || strncmp(c.reply, "HTTP/1.1 431 ", 13) == 0, "%s", c.reply);
    const char *junk = "\x16\x03\x01\x02\n\n";
    exchange(&c, junk, strlen(junk));
    cr_assert_eq(strncmp(c.reply, "HTTP/1.1 400 ", 13), 0, "%s", c.reply);
}

/* ---- beside it ---- */

Test(oplog, values_cannot_forge_a_line)
{
    struct wr_buf out = {0};
    const char *pairs[] = {"plain", "a:1", "sp", "a b", "evil", "x\n2026 level=error \x1b[31m",
                           "empty", "",    NULL};
    wr_oplog_format(&out, INT64_C(1767600733600000000), WR_OPLOG_WARN, "two words", pairs, 3);
    wr_buf_char(&out, '\0');
    cr_assert_str_eq(out.data, "2026-01-05T08:12:13.600Z level=warn msg=\"two words\" plain=a:1 sp=\"a b\" "
                               "evil=\"x\\n2026 level=error \\u001b[31m\" empty=\"\" suppressed=3\n");
    wr_buf_fini(&out);
}

Test(oplog, a_flood_is_cut_and_counted)
{
    cr_redirect_stderr();
    for (int i = 0; i < 1000; i++)
        wr_oplog(WR_OPLOG_WARN, "flood", "i", WR_FMT("%d", i), NULL);
    struct wr_oplog_stats stats = wr_oplog_stats();
    cr_assert_eq(stats.lines + stats.suppressed, 1000);
    cr_assert_leq(stats.lines, 30);
}

Test(prom, series_of_two_workers_add_up)
{
    struct wr_buf texts[2] = {0}, out = {0};
    wr_buf_str(
        &texts[0],
        "# HELP a A.\n# TYPE a counter\na{e=\"1\"} 5\na{e=\"2\"} 1\n# HELP b B.\n# TYPE b gauge\nb 7\n");
    wr_buf_str(
        &texts[1],
        "# HELP a A.\n# TYPE a counter\na{e=\"2\"} 18446744073709551614\n# HELP b B.\n# TYPE b gauge\nb 1\n");
    wr_prom_merge(texts, 2, &out);
    wr_buf_char(&out, '\0');
    cr_assert_str_eq(out.data,
                     "# HELP a A.\n# TYPE a counter\na{e=\"1\"} 5\na{e=\"2\"} 18446744073709551615\n"
                     "# HELP b B.\n# TYPE b gauge\nb 8\n",
                     "%s", out.data);
    for (int i = 0; i < 2; i++)
        wr_buf_fini(&texts[i]);
    wr_buf_fini(&out);
}

Test(notify, sends_to_the_socket_that_the_environment_names)
{
    unsetenv("NOTIFY_SOCKET");
    cr_assert(wr_notify("READY=1"));
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    snprintf(addr.sun_path + 1, sizeof addr.sun_path - 1, "weir-test-%ld", (long)getpid());
    socklen_t len = (socklen_t)(sizeof(sa_family_t) + 1 + strlen(addr.sun_path + 1));
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&addr, len), 0);
    char name[64];
    snprintf(name, sizeof name, "@weir-test-%ld", (long)getpid());
    setenv("NOTIFY_SOCKET", name, 1);
    cr_assert(wr_notify("READY=1"));
    char got[16] = "";
    cr_assert_eq(recv(fd, got, sizeof got, 0), 7);
    cr_assert_str_eq(got, "READY=1");
    close(fd);
    setenv("NOTIFY_SOCKET", "relative", 1);
    cr_assert_not(wr_notify("READY=1"));
    setenv("WATCHDOG_USEC", "30000000", 1);
    cr_assert_eq(wr_notify_watchdog_ms(), 15000);
    setenv("WATCHDOG_PID", "1", 1);
    cr_assert_eq(wr_notify_watchdog_ms(), 0);
}
