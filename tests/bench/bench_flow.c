/* ns and instructions per record: wr_flow_decode without a filter, with ports of which 1 % pass,
 * and libfixbuf's transcoder on the same messages in the same run. Figures that matter are the
 * ratios.
 *
 *   cmake --preset release && cmake --build --preset release --target bench_flow
 *   build/release/tests/bench_flow [ROUNDS [SHAPE [all|port]]]
 *   build/release/tests/bench_flow 1 many      10,000 exporters with 100 templates each against one with 100
 *   build/release/tests/bench_flow 400000 workers    two threads with a decoder each against one, on the same messages
 *   sh tests/bench/flow_instructions.sh        instructions a record, by callgrind: the same on a
 * busy machine
 *
 * A message is 19 elements, 71 octets a record, 19 records; "nvm" has variable-length fields. Best
 * and median of 9 passes. Instructions need perf_event_open; without it the column says 0. */
#include "parsers/flow/decoder.h"

#include <fixbuf/public.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { RECORDS = 19, PASSES = 9, MAX = 4096, EXPORT_S = 1700000000 };

struct shape {
    const char *name;
    uint16_t version;
    uint16_t nfields;
    const uint16_t (*fields)[2]; /* id, length; 65535 = variable */
};

static const uint16_t plain[][2] = {{8, 4},   {12, 4},  {15, 4}, {10, 4}, {14, 4}, {2, 8}, {1, 8},
                                    {152, 8}, {153, 8}, {7, 2},  {11, 2}, {6, 1},  {4, 1}, {5, 1},
                                    {16, 4},  {17, 4},  {9, 1},  {13, 1}, {61, 1}};
static const uint16_t v9[][2] = {{8, 4},  {12, 4}, {15, 4}, {10, 4}, {14, 4}, {2, 8}, {1, 8},
                                 {22, 4}, {21, 4}, {7, 2},  {11, 2}, {6, 1},  {4, 1}, {5, 1},
                                 {16, 4}, {17, 4}, {9, 1},  {13, 1}, {61, 1}};
static const uint16_t plain6[][2] = {{27, 16}, {28, 16}, {15, 4}, {10, 4}, {14, 4}, {2, 8}, {1, 8},
                                     {152, 8}, {153, 8}, {7, 2},  {11, 2}, {6, 1},  {4, 1}, {5, 1},
                                     {16, 4},  {17, 4},  {9, 1},  {13, 1}, {61, 1}};
static const uint16_t v5[][2] = {{8, 4},  {12, 4}, {15, 4}, {10, 2}, {14, 2},  {2, 4},  {1, 4},
                                 {22, 4}, {21, 4}, {7, 2},  {11, 2}, {210, 1}, {6, 1},  {4, 1},
                                 {5, 1},  {16, 2}, {17, 2}, {9, 1},  {13, 1},  {210, 2}};
static const uint16_t names[][2] = {{4, 1},   {8, 4},   {7, 2},       {12, 4},     {11, 2},
                                    {150, 4}, {151, 4}, {371, 65535}, {82, 65535}, {83, 65535},
                                    {1, 8},   {2, 8},   {460, 65535}};
#define SHAPE(name, version, fields)                                                                         \
    {                                                                                                        \
        name, version, sizeof fields / sizeof *fields, fields                                                \
    }
static const struct shape shapes[] = {SHAPE("ipfix", 10, plain), SHAPE("ipfix6", 10, plain6),
                                      SHAPE("v9", 9, v9), SHAPE("v5", 5, v5), SHAPE("nvm", 10, names)};

struct message {
    uint8_t at[MAX];
    size_t len;
};

static void put(struct message *m, uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        m->at[m->len++] = (uint8_t)(v >> 8 * (n - 1 - i));
}

static void begin(struct message *m, const struct shape *s, uint32_t seq)
{
    m->len = 0;
    put(m, s->version, 2);
    put(m, RECORDS, 2);
    if (s->version != 10)
        put(m, 5000000, 4);
    put(m, EXPORT_S, 4);
    if (s->version == 5)
        put(m, 0, 4);
    put(m, seq, 4);
    put(m, s->version == 5 ? 0 : 1, 4);
}

static void end_set(struct message *m, const struct shape *s, size_t set)
{
    size_t n = m->len - set;
    if (s->version == 5)
        return;
    m->at[set + 2] = (uint8_t)(n >> 8);
    m->at[set + 3] = (uint8_t)n;
    if (s->version == 10) {
        m->at[2] = (uint8_t)(m->len >> 8);
        m->at[3] = (uint8_t)m->len;
    }
}

static void make_template(struct message *m, const struct shape *s)
{
    begin(m, s, 0);
    size_t set = m->len;
    put(m, s->version == 9 ? 0 : 2, 2);
    put(m, 0, 2);
    put(m, 256, 2);
    put(m, s->nfields, 2);
    for (unsigned i = 0; i < s->nfields; i++) {
        put(m, s->fields[i][0], 2);
        put(m, s->fields[i][1], 2);
    }
    end_set(m, s, set);
}

/* Deterministic values; one record in a hundred goes to port 25. */
static void make_data(struct message *m, const struct shape *s, uint32_t k)
{
    begin(m, s, k * RECORDS);
    size_t set = m->len;
    if (s->version != 5) {
        put(m, 256, 2);
        put(m, 0, 2);
    }
    for (uint32_t r = 0; r < RECORDS; r++) {
        uint32_t x = (k * RECORDS + r) * UINT32_C(2654435761);
        for (unsigned i = 0; i < s->nfields; i++) {
            uint16_t id = s->fields[i][0], len = s->fields[i][1];
            uint64_t v = id == 11 ? (x >> 8) % 100 ? 443 : 25 : id == 7 ? 20000 + x % 40000 : x;
            if (id == 152 || id == 153)
                v = EXPORT_S * UINT64_C(1000) - x % 60000;
            if (id == 21 || id == 22)
                v = 5000000 - x % 60000;
            if (id == 150 || id == 151)
                v = EXPORT_S - x % 60;
            if (len == 65535) {
                put(m, 12, 1);
                put(m, x, 4);
                put(m, UINT64_C(0x6162636465666768), 8);
            } else {
                for (; len > 8; len -= 8)
                    put(m, v, 8);
                put(m, v, len);
            }
        }
    }
    end_set(m, s, set);
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* what others do meanwhile does not count, but for the caches */
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int open_counter(void)
{
    struct perf_event_attr attr = {.type = PERF_TYPE_HARDWARE,
                                   .size = sizeof attr,
                                   .config = PERF_COUNT_HW_INSTRUCTIONS,
                                   .exclude_kernel = 1,
                                   .exclude_hv = 1};
    return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0UL);
}

static uint64_t counter(int fd)
{
    uint64_t v = 0;
    return fd >= 0 && read(fd, &v, sizeof v) == sizeof v ? v : 0;
}

enum { NMSGS = 256 };
static struct message tmpl, data[NMSGS];

struct weir {
    struct wr_flow_decoder *dec;
    struct wr_flow_peer peer;
    struct wr_flow_vec rows;
};

/* Callgrind collects inside it: a name of its own in the binary. */
__attribute__((noinline, noclone, used)) uint64_t weir_pass(void *ctx, unsigned rounds);
uint64_t weir_pass(void *ctx, unsigned rounds)
{
    struct weir *w = ctx;
    uint64_t sum = 0;
    for (unsigned i = 0; i < rounds; i++) {
        w->rows.n = 0;
        const struct message *m = &data[i % NMSGS];
        wr_flow_decode(w->dec, &w->peer, m->at, m->len, INT64_C(1700000001) * 1000000000, &w->rows);
        sum += w->rows.n ? w->rows.at[0].octets[0] : 0;
    }
    return sum;
}

/* What a collector on libfixbuf does: the same ten columns, through the transcoder. */
static fbInfoElementSpec_t wanted[] = {{"sourceIPv4Address", 4, 0},
                                       {"destinationIPv4Address", 4, 0},
                                       {"sourceTransportPort", 2, 0},
                                       {"destinationTransportPort", 2, 0},
                                       {"protocolIdentifier", 1, 0},
                                       {"tcpControlBits", 1, 0},
                                       {"octetDeltaCount", 8, 0},
                                       {"packetDeltaCount", 8, 0},
                                       {"flowStartMilliseconds", 8, 0},
                                       {"flowEndMilliseconds", 8, 0},
                                       FB_IESPEC_NULL};

struct fixbuf {
    fBuf_t *buf;
};

static uint64_t fixbuf_pass(void *ctx, unsigned rounds)
{
    struct fixbuf *f = ctx;
    uint64_t sum = 0;
    for (unsigned i = 0; i < rounds; i++) {
        struct message *m = &data[i % NMSGS];
        uint8_t rec[256];
        GError *err = NULL;
        size_t len = sizeof rec;
        fBufSetBuffer(f->buf, m->at, m->len);
        while (fBufNext(f->buf, rec, &len, &err)) {
            sum += rec[0];
            len = sizeof rec;
        }
        g_clear_error(&err);
    }
    return sum;
}

static fBuf_t *fixbuf_open(fbInfoModel_t *model)
{
    GError *err = NULL;
    fbSession_t *session = fbSessionAlloc(model);
    fbTemplate_t *internal = fbTemplateAlloc(model);
    if (!fbTemplateAppendSpecArray(internal, wanted, 0, &err) ||
        !fbSessionAddTemplate(session, TRUE, 999, internal, &err))
        exit(1);
    fBuf_t *buf = fBufAllocForCollection(session, NULL);
    fBufSetAutomaticMode(buf, TRUE);
    if (!fBufSetInternalTemplate(buf, 999, &err))
        exit(1);
    fBufSetBuffer(buf, tmpl.at, tmpl.len);
    uint8_t rec[256];
    size_t len = sizeof rec;
    fBufNext(buf, rec, &len, &err);
    g_clear_error(&err);
    return buf;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Prints one line; returns the median. */
static double measure(const char *shape, const char *what, uint64_t (*pass)(void *, unsigned), void *ctx,
                      unsigned rounds, int fd, double base)
{
    double ns[PASSES];
    volatile uint64_t sink = pass(ctx, rounds); /* warm-up */
    uint64_t before = counter(fd);
    for (int i = 0; i < PASSES; i++) {
        double t = now_ns();
        sink = sink + pass(ctx, rounds);
        ns[i] = (now_ns() - t) / ((double)rounds * RECORDS);
    }
    double instructions = (double)(counter(fd) - before) / ((double)rounds * RECORDS * PASSES);
    qsort(ns, PASSES, sizeof *ns, by_value);
    printf("%-6s %-22s best %7.2f  median %7.2f ns/record  %7.1f instructions", shape, what, ns[0],
           ns[PASSES / 2], instructions);
    if (base > 0)
        printf("  %5.1f times the transcoder", base / ns[PASSES / 2]);
    putchar('\n');
    return ns[PASSES / 2];
}

static void quiet(const gchar *domain, GLogLevelFlags level, const gchar *text, gpointer ctx)
{
    (void)domain, (void)level, (void)text, (void)ctx; /* one line for every message out of sequence */
}

/* ---- many exporters ---- */

enum { EXPORTERS = 10000, TEMPLATES = 100, CROWD_MESSAGES = 320000 };

/* Template `id` is the plain one with its last element, which nobody reads, another one. */
static void crowd_templates(struct message *m, uint32_t from, uint32_t to)
{
    begin(m, &shapes[0], 0);
    size_t set = m->len;
    put(m, 2, 2);
    put(m, 0, 2);
    for (uint32_t k = from; k < to; k++) {
        put(m, 256 + k, 2);
        put(m, shapes[0].nfields, 2);
        for (unsigned i = 0; i < shapes[0].nfields; i++) {
            put(m, shapes[0].fields[i][0] == 5 ? 210 : shapes[0].fields[i][0], 2);
            put(m, shapes[0].fields[i][1], 2);
        }
    }
    end_set(m, &shapes[0], set);
}

/* ns a record when each message comes from the next of `n` exporters; every row filtered but 1 %. */
static double crowd(uint32_t n, const struct wr_scan *scan)
{
    struct wr_flow_decoder *dec = wr_flow_decoder_new(NULL);
    struct wr_flow_vec rows = {0};
    struct wr_flow_peer peer = {.port = 2055};
    static uint32_t seq[EXPORTERS];
    static struct message m;
    double best = 1e9;
    if (!dec || wr_flow_decoder_scan(dec, scan) != WR_OK)
        exit(1);
    for (uint32_t x = 0; x < n; x++) {
        memcpy(peer.addr, &x, sizeof x);
        for (uint32_t k = 0; k < TEMPLATES; k += 20) {
            crowd_templates(&m, k, k + 20);
            wr_flow_decode(dec, &peer, m.at, m.len, 1, &rows);
        }
        seq[x] = 0;
    }
    struct wr_flow_coming coming[WR_FLOW_FORESEEN];
    uint64_t rejected[WR_FLOW_NREJECTS] = {0};
    for (int pass = 0; pass < 5; pass++) {
        double t = now_ns();
        for (uint32_t i = 0; i < CROWD_MESSAGES; i++) {
            uint32_t x = (uint32_t)(i * UINT64_C(2654435761) % n), in_batch = i % WR_FLOW_FORESEEN;
            struct message *d = &data[i % NMSGS];
            uint32_t number = __builtin_bswap32(seq[x]);
            uint16_t id = __builtin_bswap16((uint16_t)(256 + i / n % TEMPLATES));
            memcpy(d->at + 8, &number, 4);
            memcpy(d->at + 16, &id, 2);
            memcpy(peer.addr, &x, sizeof x);
            seq[x] += RECORDS;
            coming[in_batch] = (struct wr_flow_coming){.peer = peer, .data = d->at, .len = d->len};
            if (in_batch < WR_FLOW_FORESEEN - 1)
                continue;
            wr_flow_foresee(dec, coming, WR_FLOW_FORESEEN); /* as the collector does with what it receives together */
            rows.n = 0;
            for (uint32_t k = 0; k < WR_FLOW_FORESEEN; k++)
                wr_flow_decode_train(dec, &coming[k], INT64_C(1700000001) * 1000000000, &rows, rejected);
        }
        t = (now_ns() - t) / ((double)CROWD_MESSAGES * RECORDS);
        best = t < best ? t : best;
    }
    const struct wr_flow_stats *stats = wr_flow_decoder_stats(dec);
    struct wr_buf text = {0};
    wr_flow_decoder_metrics(dec, &text);
    wr_buf_char(&text, '\0');
    const char *bytes = text.err ? NULL : strstr((const char *)text.data, "\nweir_flow_template_bytes ");
    printf("%u exporters, %u templates: best %.2f ns/record, %.1f MB, %llu templates, %llu records, %llu lost\n", n,
           TEMPLATES, best, bytes ? strtod(bytes + 26, NULL) / 1e6 : 0, (unsigned long long)stats->templates,
           (unsigned long long)stats->records, (unsigned long long)stats->seq_lost);
    wr_buf_fini(&text);
    wr_flow_decoder_free(dec);
    wr_flow_vec_fini(&rows);
    return best;
}

static int crowds(const struct wr_scan *scan)
{
    for (uint32_t i = 0; i < NMSGS; i++)
        make_data(&data[i], &shapes[0], i);
    double one = crowd(1, scan), many = crowd(EXPORTERS, scan);
    printf("speed of %u exporters: %.2f of one\n", EXPORTERS, one / many);
    return 0;
}

/* ---- workers ---- */

enum { MAX_WORKERS = 2 };

struct worker {
    struct weir weir;
    unsigned rounds;
    double cpu_ns, began_ns, ended_ns;
    pthread_barrier_t *start;
};

static double clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    pthread_barrier_wait(w->start);
    w->began_ns = clock_ns(CLOCK_MONOTONIC);
    double t = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    (void)weir_pass(&w->weir, w->rounds);
    w->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - t;
    w->ended_ns = clock_ns(CLOCK_MONOTONIC);
    return NULL;
}

/* `rounds` messages, shared by `n` threads; the best so far stay. *cpu_ns: of all threads together. */
static void share(struct worker *workers, unsigned n, unsigned rounds, double *wall_ns, double *cpu_ns)
{
    pthread_t threads[MAX_WORKERS];
    pthread_barrier_t start;
    double began = 1e30, ended = 0, cpu = 0;
    pthread_barrier_init(&start, NULL, n);
    for (unsigned i = 0; i < n; i++) {
        workers[i].rounds = rounds / n;
        workers[i].start = &start;
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0)
            exit(1);
    }
    for (unsigned i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
        cpu += workers[i].cpu_ns;
        began = workers[i].began_ns < began ? workers[i].began_ns : began;
        ended = workers[i].ended_ns > ended ? workers[i].ended_ns : ended;
    }
    pthread_barrier_destroy(&start);
    *wall_ns = ended - began < *wall_ns ? ended - began : *wall_ns;
    *cpu_ns = cpu < *cpu_ns ? cpu : *cpu_ns;
}

/* The wall clock's ratio needs two idle cores; the other says what two cores would give that nobody else uses. */
static int one_and_two(const struct wr_scan *scan, unsigned rounds)
{
    struct worker workers[MAX_WORKERS] = {0};
    double wall[MAX_WORKERS] = {1e18, 1e18}, cpu[MAX_WORKERS] = {1e18, 1e18};
    make_template(&tmpl, &shapes[0]);
    for (uint32_t i = 0; i < NMSGS; i++)
        make_data(&data[i], &shapes[0], i);
    for (unsigned i = 0; i < MAX_WORKERS; i++) {
        struct weir *w = &workers[i].weir;
        w->dec = wr_flow_decoder_new(NULL);
        if (!w->dec || wr_flow_decoder_scan(w->dec, scan) != WR_OK)
            return 1;
        wr_flow_decode(w->dec, &w->peer, tmpl.at, tmpl.len, 1, &w->rows);
    }
    for (unsigned pass = 0; pass <= PASSES; pass++)
        for (unsigned n = 1; n <= MAX_WORKERS; n++)
            share(workers, n, rounds, &wall[n - 1], &cpu[n - 1]);
    for (unsigned n = 1; n <= MAX_WORKERS; n++)
        printf("%u worker%s: %.1f M records/s by the wall clock, %.2f ns of CPU a record\n", n, n > 1 ? "s" : "",
               (double)rounds * RECORDS * 1e3 / wall[n - 1], cpu[n - 1] / ((double)rounds * RECORDS));
    printf("two against one: %.2f times by the wall clock, %.2f by CPU time\n", wall[0] / wall[1], 2 * cpu[0] / cpu[1]);
    for (unsigned i = 0; i < MAX_WORKERS; i++) {
        wr_flow_decoder_free(workers[i].weir.dec);
        wr_flow_vec_fini(&workers[i].weir.rows);
    }
    return 0;
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 20000;
    const char *only = argc > 2 ? argv[2] : "", *mode = argc > 3 ? argv[3] : "";
    const int64_t ports[] = {25};
    const struct wr_pred pred = {.col = WR_DNE_RemotePort, .op = WR_PRED_IN_INT, .n = 1, .ints = ports};
    const struct wr_branch branch = {.preds = &pred, .npreds = 1};
    const struct wr_scan scan = {.branches = &branch, .nbranches = 1};
    if (strcmp(only, "many") == 0)
        return crowds(&scan);
    if (strcmp(only, "workers") == 0)
        return one_and_two(&scan, rounds);
    int fd = open_counter();
    g_log_set_default_handler(quiet, NULL);
    fbInfoModel_t *model = fbInfoModelAlloc();
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        const struct shape *s = &shapes[k];
        if (*only && strcmp(only, s->name) != 0)
            continue;
        make_template(&tmpl, s);
        for (uint32_t i = 0; i < NMSGS; i++)
            make_data(&data[i], s, i);
        double base = 0;
        if (s->version == 10 && !*mode && s->fields != plain6) {
            struct fixbuf f = {.buf = fixbuf_open(model)};
            base = measure(s->name, "libfixbuf transcoder", fixbuf_pass, &f, rounds / 4, fd, 0);
            fBufFree(f.buf);
        }
        struct weir w = {.dec = wr_flow_decoder_new(NULL)};
        if (!w.dec)
            return 1;
        if (s->version != 5)
            wr_flow_decode(w.dec, &w.peer, tmpl.at, tmpl.len, 1, &w.rows);
        if (strcmp(mode, "port") != 0)
            measure(s->name, "weir, all rows", weir_pass, &w, rounds, fd, base);
        if (wr_flow_decoder_scan(w.dec, &scan) != WR_OK)
            return 1;
        if (strcmp(mode, "all") != 0)
            measure(s->name, "weir, 1 % by port", weir_pass, &w, rounds, fd, base);
        wr_flow_decoder_free(w.dec);
        wr_flow_vec_fini(&w.rows);
    }
    fbInfoModelFree(model);
    return 0;
}
