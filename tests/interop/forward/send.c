/* Stores COUNT alerts and forwards them until all are acknowledged: `send STORE COUNT --port N [...]`. Prints
 * the sink's counters as JSON. Exit 0: all acknowledged, 1: 20 s passed first, or `--after-error` ms since
 * the first error. */
#include "base/ticks.h"
#include "collector/sink/forward.h"
#include "collector/sink/store.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GROUP = 50 };

static struct wr_forward_opts opts = {.name = "agg",
                                      .host = "127.0.0.1",
                                      .ack_timeout_ms = 5000,
                                      .connect_timeout_ms = 3000,
                                      .backoff_min_ms = 50,
                                      .backoff_max_ms = 400,
                                      .chunk_alerts = 20};
enum { LIMIT_MS = 20000 };
static uint64_t after_error_ms = LIMIT_MS, first_error_ms;
static uint32_t stored, count;
static struct wr_store *store;
static struct wr_sink *sink;
static uv_timer_t tick;
static uint64_t started_ms;
static int code = 1;

static struct wr_alert *make(uint32_t n)
{
    struct wr_arena *arena = wr_arena_new(1024);
    struct wr_alert *alert = arena ? wr_arena_alloc(arena, sizeof *alert) : NULL;
    if (!alert)
        abort();
    alert->arena = arena;
    snprintf(alert->id, sizeof alert->id, "%032x", n);
    alert->rule_id = "T1071.003";
    alert->rule_name = "Mail by an odd process";
    alert->exact = true;
    alert->raised_at = WR_TICKS_UNIX_EPOCH + (INT64_C(1767225600) + n) * WR_TICKS_SECOND;
    alert->ncells = 4;
    alert->cells = wr_arena_alloc(arena, alert->ncells * sizeof *alert->cells);
    alert->nentities = 1;
    alert->entities = wr_arena_alloc(arena, sizeof *alert->entities);
    struct wr_str peers, text;
    static const char PEERS[] = "[\"203.0.113.25\",{\"port\":587,\"tls\":null}]", TEXT[] = "é \"quoted\"\n";
    if (!alert->cells || !alert->entities || !wr_str_copy(arena, PEERS, sizeof PEERS - 1, &peers) ||
        !wr_str_copy(arena, TEXT, sizeof TEXT - 1, &text))
        abort();
    alert->cells[0] =
        (struct wr_alert_cell){.name = "DeviceName", .type = WR_STRING, .s = WR_STR_LIT("mail-ws-7")};
    alert->cells[1] = (struct wr_alert_cell){.name = "Number", .type = WR_LONG, .i = n};
    alert->cells[2] = (struct wr_alert_cell){.name = "Peers", .type = WR_DYNAMIC, .s = peers};
    alert->cells[3] = (struct wr_alert_cell){.name = "Text", .type = WR_STRING, .s = text};
    alert->entities[0].type = "Host";
    alert->entities[0].identifier = "HostName";
    return alert;
}

static void put_some(void)
{
    struct wr_alert *list = NULL;
    for (uint32_t i = 0; i < GROUP && stored < count; i++) {
        struct wr_alert *alert = make(++stored);
        alert->next = list;
        list = alert;
    }
    if (wr_store_put(store, list, NULL)) {
        fprintf(stderr, "%s\n", wr_store_error(store));
        exit(1);
    }
    wr_alerts_free(list);
    wr_sink_wake(sink);
}

static void on_stopped(struct wr_sink *s, void *arg)
{
    (void)arg;
    wr_sink_free(s);
}

static void on_tick(uv_timer_t *timer)
{
    if (stored < count)
        put_some();
    struct wr_sink_stats stats;
    wr_sink_stats(sink, &stats);
    bool done = stored == count && stats.pending == 0;
    uint64_t now = uv_now(timer->loop);
    if (stats.errors && !first_error_ms)
        first_error_ms = now;
    if (!done && now - started_ms < LIMIT_MS && !(first_error_ms && now - first_error_ms >= after_error_ms))
        return;
    code = done ? 0 : 1;
    struct wr_buf out = {0};
    wr_buf_fmt(&out, "{\"sent\":%llu,\"acknowledged\":%llu,\"retried\":%llu,\"errors\":%llu",
               (unsigned long long)stats.sent, (unsigned long long)stats.acknowledged,
               (unsigned long long)stats.retried, (unsigned long long)stats.errors);
    wr_json_key(&out, "last_error");
    wr_json_cstr(&out, stats.last_error);
    printf("%.*s}\n", (int)out.len, out.data);
    wr_buf_fini(&out);
    uv_close((uv_handle_t *)timer, NULL);
    wr_sink_stop(sink, 100, on_stopped, NULL);
}

static void parse(int argc, char **argv)
{
    static const struct option names[] = {{"port", 1, NULL, 'p'},        {"key", 1, NULL, 'k'},
                                          {"user", 1, NULL, 'u'},        {"password", 1, NULL, 'w'},
                                          {"tls", 0, NULL, 't'},         {"ca", 1, NULL, 'c'},
                                          {"tls-name", 1, NULL, 'n'},    {"ack-timeout", 1, NULL, 'a'},
                                          {"after-error", 1, NULL, 'l'}, {NULL, 0, NULL, 0}};
    int c;
    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (c) {
        case 'p':
            opts.port = (uint16_t)atoi(optarg);
            break;
        case 'k':
            opts.shared_key = optarg;
            break;
        case 'u':
            opts.username = optarg;
            break;
        case 'w':
            opts.password = optarg;
            break;
        case 't':
            opts.tls = true;
            break;
        case 'c':
            opts.ca_file = optarg;
            break;
        case 'n':
            opts.tls_name = optarg;
            break;
        case 'a':
            opts.ack_timeout_ms = (uint32_t)atoi(optarg);
            break;
        case 'l':
            after_error_ms = (uint64_t)atoi(optarg);
            break;
        default:
            exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    if (argc - optind != 2)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    count = (uint32_t)atoi(argv[optind + 1]);
    struct wr_buf error = {0};
    const char *const names[] = {"agg"}, *why = NULL;
    int64_t receiver;
    if (wr_store_open(argv[optind], WR_STORE_OWN, &error, &store)) {
        fprintf(stderr, "%.*s\n", (int)error.len, error.data);
        return 2;
    }
    uv_loop_t loop;
    uv_loop_init(&loop);
    sink = wr_store_receivers(store, names, 1, &receiver)
               ? NULL
               : wr_forward_new(&loop, store, receiver, &opts, &why);
    if (!sink) {
        fprintf(stderr, "%s\n", why ? why : wr_store_error(store));
        return 2;
    }
    uv_timer_init(&loop, &tick);
    started_ms = uv_now(&loop);
    uv_timer_start(&tick, on_tick, 0, 10);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    wr_store_close(store);
    return code;
}
