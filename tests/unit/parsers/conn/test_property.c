/* Random traffic with a known truth. A failing seed is printed. */
#include "conn_kit.h"

#include <stdlib.h>

enum { CONNS = 60, SLICES = 6, ROUNDS = 25, STEPS_MAX = CONNS * (SLICES * 6 + 2) };

static uint64_t state;

static uint32_t rnd(uint32_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 33) % n;
}

/* One thing that reaches the table. */
struct step {
    bool event;
    struct wr_flow flow;
    struct event open;
};

struct world {
    struct step step[STEPS_MAX];
    uint32_t n;
    int64_t sent[CONNS], received[CONNS];
    bool known[CONNS]; /* an endpoint reports it */
};

/* One slice as `points` exporters see it: as biflow or as two uniflows. */
static void add_slice(struct world *w, uint16_t port, struct wr_flow f, uint32_t points)
{
    bool uni = rnd(2);
    for (uint32_t p = 0; p < points; p++) {
        f.point = 100 + p;
        f.sport = port;
        struct step s = {.flow = f}, back = {.flow = flow(false, 0, 0, f.tcp_flags, f.octets[1])};
        if (uni) {
            s.flow.flags &= ~(uint32_t)(WR_FLOW_BIFLOW | WR_FLOW_INITIATOR_KNOWN);
            back.flow.start_ns = f.start_ns + 5 * MS;
            back.flow.end_ns = f.end_ns + 5 * MS;
            back.flow.export_ns = f.export_ns;
            back.flow.dport = port;
            back.flow.point = f.point;
            w->step[w->n++] = back;
        }
        w->step[w->n++] = s;
    }
}

static void make_world(struct world *w, bool events)
{
    w->n = 0;
    for (uint16_t i = 0; i < CONNS; i++) {
        uint32_t slices = 1 + rnd(SLICES), points = 1 + rnd(3);
        int64_t base = rnd(100000);
        w->sent[i] = w->received[i] = 0;
        for (uint32_t k = 0; k < slices; k++) {
            uint64_t up = 1 + rnd(100000), down = 1 + rnd(100000);
            uint8_t tcp = ACK | PSH | (k ? 0 : SYN) | (k + 1 == slices ? FIN : 0);
            int64_t start = base + k * 1000;
            add_slice(w, (uint16_t)(20000 + i), biflow(start, start + 990, tcp, up, down), points);
            w->sent[i] += (int64_t)up;
            w->received[i] += (int64_t)down;
        }
        w->known[i] = events && rnd(2);
        if (!w->known[i])
            continue;
        struct step s = {.event = true, .open = opened(base + rnd(50), "python.exe")};
        s.open.lport = 20000 + i;
        w->step[w->n++] = s;
    }
    for (uint32_t i = w->n; i > 1; i--) {
        uint32_t j = rnd(i);
        struct step t = w->step[i - 1];
        w->step[i - 1] = w->step[j];
        w->step[j] = t;
    }
}

static void give(struct kit *k, const struct step *s, int64_t now_ms)
{
    if (s->event) {
        kit_event(k, s->open, now_ms);
        return;
    }
    for (uint32_t left = 1 + (rnd(4) == 0); left;
         left--) /* the network repeats a datagram at once */
        cr_assert_eq(wr_conn_flow(k->conn, &s->flow, T0 + now_ms * MS), WR_OK);
    if (rnd(3) == 0)
        kit_drain(k);
}

/* Saves and loads into a fresh table that replaces the old one. */
static void reload(struct kit *k)
{
    struct wr_buf saved = {0}, again = {0};
    wr_conn_save(k->conn, &saved);
    cr_assert_eq(saved.err, WR_OK);
    wr_conn_free(k->conn);
    k->conn = wr_conn_new(&k->opts);
    cr_assert_eq(wr_conn_load(k->conn, saved.data, saved.len), WR_OK);
    wr_conn_save(k->conn, &again);
    cr_assert_eq(saved.len, again.len);
    cr_assert_arr_eq(saved.data, again.data, saved.len, "a loaded table saves the same bytes");
    wr_buf_fini(&saved);
    wr_buf_fini(&again);
}

static const struct seen *row_of(const struct kit *k, uint16_t i)
{
    const struct seen *found = NULL;
    for (uint32_t r = 0; r < k->n; r++)
        if (k->row[r].lport == 20000 + i) {
            cr_assert_null(found, "two rows for connection %u", i);
            found = &k->row[r];
        }
    return found;
}

static void expect_truth(const struct kit *k, const struct world *w, uint64_t seed)
{
    cr_assert_eq(k->n, CONNS, "seed %lu: %u rows", (unsigned long)seed, k->n);
    for (uint16_t i = 0; i < CONNS; i++) {
        const struct seen *s = row_of(k, i);
        cr_assert_not_null(s, "seed %lu: connection %u", (unsigned long)seed, i);
        cr_assert_eq(s->sent, w->sent[i], "seed %lu: connection %u sent %ld of %ld",
                     (unsigned long)seed, i, (long)s->sent, (long)w->sent[i]);
        cr_assert_eq(s->received, w->received[i], "seed %lu: connection %u", (unsigned long)seed,
                     i);
        cr_assert_str_eq(s->action, "ConnectionSuccess");
        cr_assert_eq(s->process[0] != 0, w->known[i]);
    }
}

/* Runs a world in one table; `reloads`: saved and loaded at random places. */
static struct kit *run(const struct world *w, struct wr_conn_opts opts, uint64_t seed, bool reloads)
{
    struct kit *k = kit_new(opts);
    state = seed * 7919 + 1;
    for (uint32_t i = 0; i < w->n; i++) {
        give(k, &w->step[i], 200000 + i);
        if (rnd(40) == 0 && reloads)
            reload(k);
    }
    kit_flush(k);
    return k;
}

Test(conn_property, any_order_gives_the_truth_incremental_and_final, .timeout = 100)
{
    struct world *w = malloc(sizeof *w);
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        state = seed * 0x9e3779b97f4a7c15u;
        make_world(w, true);
        struct wr_conn_opts hold = {.expect_endpoint = true}, final = {.final_only = true};
        struct kit *a = run(w, hold, seed, false), *b = run(w, final, seed, false);
        expect_truth(a, w, seed);
        expect_truth(b, w, seed);
        for (uint32_t r = 0; r < b->n; r++)
            cr_assert_eq(b->row[r].amends, 0);
        kit_free(a);
        kit_free(b);
    }
    free(w);
}

/* Half an hour a record, three exporters, both directions. */
static uint32_t day_records(struct wr_flow *out, bool start_kept)
{
    uint32_t n = 0;
    for (int i = 0; i < 48; i++)
        for (uint32_t p = 0; p < 3; p++)
            for (int up = 0; up < 2; up++) {
                int64_t start = i * 1800000;
                uint8_t tcp = ACK | PSH | (i ? 0 : SYN) | (i < 47 ? 0 : FIN);
                out[n] = flow(up, (start_kept ? 0 : start) + !up * 5, start + 1799000 + !up * 5,
                              tcp, up ? 1000 : 10);
                out[n++].point = 1 + p;
            }
    return n;
}

Test(conn_property, a_connection_of_24_h_in_any_order_is_one)
{
    struct wr_flow f[288];
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct kit *k = kit_new((struct wr_conn_opts){.final_only = true});
        state = seed * 0x9e3779b97f4a7c15u;
        uint32_t n = day_records(f, seed % 2);
        for (; n; n--) {
            uint32_t i = rnd(n);
            f[i].export_ns = T0 + 90000 * SEC;
            kit_flow(k, f[i]);
            f[i] = f[n - 1];
        }
        kit_flush(k);
        cr_assert_eq(k->n, 1, "seed %lu: %u rows", (unsigned long)seed, k->n);
        cr_assert_eq(k->row[0].sent, 48000);
        cr_assert_eq(k->row[0].received, 480);
        cr_assert_str_eq(k->row[0].local, "10.0.0.1");
        kit_free(k);
    }
}

Test(conn_property, a_table_saved_and_loaded_goes_on_the_same, .timeout = 100)
{
    struct world *w = malloc(sizeof *w);
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        state = seed * 0xd1342543de82ef95u;
        make_world(w, seed % 2);
        struct wr_conn_opts opts = {.final_only = seed % 4 == 3,
                                    .pair_ns = (int64_t)(1 + rnd(400)) * MS,
                                    .hold_ns = (int64_t)(1 + rnd(4000)) * MS,
                                    .max_connections = seed % 5 ? 0 : 20};
        struct kit *a = run(w, opts, seed, false), *b = run(w, opts, seed, true);
        cr_assert_eq(a->n, b->n, "seed %lu", (unsigned long)seed);
        cr_assert_arr_eq(a->row, b->row, a->n * sizeof *a->row, "seed %lu", (unsigned long)seed);
        cr_assert_arr_eq(stats(a), stats(b), sizeof *stats(a), "seed %lu", (unsigned long)seed);
        kit_free(a);
        kit_free(b);
    }
    free(w);
}

Test(conn_property, damaged_state_is_refused_or_harmless, .timeout = 100)
{
    struct world *w = malloc(sizeof *w);
    struct wr_buf saved = {0};
    state = 42;
    make_world(w, true);
    struct kit *k = kit_new((struct wr_conn_opts){.expect_endpoint = true});
    for (uint32_t i = 0; i < w->n / 2; i++)
        give(k, &w->step[i], 200000 + i);
    wr_conn_save(k->conn, &saved);
    for (size_t cut = 0; cut < saved.len; cut += 1 + cut / 8) {
        char *copy = malloc(cut + 1);
        memcpy(copy, saved.data, cut);
        cr_assert_eq(wr_conn_load(k->conn, copy, cut), WR_ECORRUPT, "cut at %zu", cut);
        free(copy);
    }
    for (int i = 0; i < 3000; i++) {
        struct wr_conn *c = wr_conn_new(&k->opts);
        size_t at = rnd((uint32_t)saved.len);
        char old = saved.data[at];
        saved.data[at] = (char)(old ^ (1 << rnd(8)));
        if (wr_conn_load(c, saved.data, saved.len) == WR_OK) {
            cr_assert_eq(wr_conn_advance(c, T0 + 10000000 * MS), WR_OK);
            cr_assert_eq(wr_conn_flush(c), WR_OK);
        }
        saved.data[at] = old;
        wr_conn_free(c);
    }
    cr_expect_eq(wr_conn_load(k->conn, saved.data, saved.len), WR_OK,
                 "the bytes themselves are good");
    wr_buf_fini(&saved);
    kit_free(k);
    free(w);
}
