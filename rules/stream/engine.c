/* Rules of a set, each with its own stream. State is saved with a header per rule:
 *   "WRE3", u32 rules; each: blob id, blob version, u64 hash[2], u32 CRC-32C of the state, blob
 * state */
#include "rules/share/dispatch.h"
#include "rules/share/prefix.h"
#include "rules/share/scratch.h"
#include "rules/stream/decorate.h"
#include "rules/stream/window.h"

#include "base/ticks.h"
#include "rules/load/rule.h"
#include "rules/rules.h"

#include <stdlib.h>
#include <sys/random.h>

/* One of the two, and what it cost. */
struct runner {
    struct wr_stream *stream;
    struct wr_window *window;
    uint32_t first; /* its first leg among those of all rules; a windowed rule is one leg */
    int64_t due;    /* when it has something to do without rows */
    uint64_t ns, rows, turn;
    size_t over; /* memory beyond its own share */
};

struct wr_engine {
    struct wr_ruleset *set;
    struct wr_engine_opts opts;
    struct wr_hash_key secret;
    struct runner *runner; /* one a rule */
    uint32_t n, nlegs;
    struct wr_dispatch *dispatch[WR_NTABLES]; /* made with a table's first batch */
    struct wr_prefixes *prefixes[WR_NTABLES]; /* what legs have in common; made with it */
    struct wr_sel *sel;                       /* rows of the batch for each leg of each rule */
    bool arrival[WR_NTABLES];                 /* a rule reads ingestion_time() */
    int64_t now, due;                         /* due: no runner is before */
    uint64_t rows_in, turn;
    uint32_t readers[WR_NTABLES]; /* rules that read the table */
    uint32_t *rule_of;            /* each leg's rule */
    struct wr_scratch *scratch;   /* of all rules */
    size_t own, over;             /* memory that is each rule's own; sum of what they have beyond it */
    uint64_t work;                /* that each windowed rule's runs may cost a second */
};

enum { WORK_MIN = 2000 };

static const size_t default_memory = (size_t)256 << 20;

static bool runner_init(const struct wr_engine *e, uint32_t i, struct runner *r)
{
    const struct wr_rule *rule = wr_ruleset_rule(e->set, i);
    size_t memory = e->opts.memory_bytes / (e->n ? e->n : 1); /* until rows come: bound() */
    struct wr_stream_opts opts = {.rule_id = rule->id,
                                  .rule_version = rule->version,
                                  .realert = e->opts.realert_ticks,
                                  .memory_bytes = memory,
                                  .secret = e->secret,
                                  .scratch = e->scratch};
    struct wr_window_opts window = {.rule_id = rule->id,
                                    .rule_version = rule->version,
                                    .realert = e->opts.realert_ticks,
                                    .memory_bytes = memory,
                                    .run_bytes = e->opts.memory_bytes,
                                    .work = e->work,
                                    .phase = i,
                                    .secret = e->secret,
                                    .schedule = rule->schedule,
                                    .scratch = e->scratch};
    if (rule->windowed)
        r->window = wr_window_new(rule->plan, &window);
    else
        r->stream = wr_stream_new(rule->plan, &opts);
    return r->window || r->stream;
}

static bool fill(struct wr_engine *e, struct runner *list)
{
    uint32_t rerun = 0;
    for (uint32_t i = 0; i < e->n; i++) {
        const struct wr_rule *rule = wr_ruleset_rule(e->set, i);
        rerun += rule->windowed && !rule->schedule.frequency;
    }
    e->work = WR_WINDOW_WORK / (rerun ? rerun : 1);
    e->work = e->work < WORK_MIN ? WORK_MIN : e->work;
    e->nlegs = 0;
    for (uint32_t i = 0; i < e->n; i++) {
        if (!runner_init(e, i, &list[i]))
            return false;
        list[i].first = e->nlegs;
        e->nlegs += list[i].stream ? wr_stream_legs(list[i].stream) : 1;
    }
    return true;
}

static void runners_free(struct runner *list, uint32_t n)
{
    for (uint32_t i = 0; list && i < n; i++) {
        wr_stream_free(list[i].stream);
        wr_window_free(list[i].window);
    }
    free(list);
}

/* What decides which state fits: the plan, and for windowed rules the schedule. */
static uint64_t state_kind(const struct wr_rule *rule)
{
    const struct wr_rule_schedule *s = &rule->schedule;
    if (!rule->windowed)
        return rule->plan->hash[1];
    uint64_t words[] = {(uint64_t)s->frequency,   s->op,        (uint64_t)s->threshold, s->single,
                        (uint64_t)s->suppression, s->by_arrival};
    struct wr_hash_key fixed = {rule->plan->hash[1], 1};
    return wr_hash(&fixed, words, sizeof words);
}

struct wr_engine *wr_engine_new(struct wr_ruleset *set, const struct wr_engine_opts *opts)
{
    struct wr_engine *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->set = wr_ruleset_ref(set);
    if (opts)
        e->opts = *opts;
    if (!e->opts.memory_bytes)
        e->opts.memory_bytes = default_memory;
    if (e->opts.realert_ticks <= 0)
        e->opts.realert_ticks = WR_TICKS_HOUR;
    e->n = wr_ruleset_count(set);
    e->own = e->opts.memory_bytes / 2 / (e->n ? e->n : 1);
    e->runner = calloc(e->n + 1, sizeof *e->runner);
    e->scratch = wr_scratch_new();
    e->due = INT64_MIN;
    for (uint32_t i = 0; i < e->n; i++)
        for (int t = 0; t < WR_NTABLES; t++)
            e->arrival[t] |= wr_colset_has(&wr_ruleset_rule(set, i)->plan->scans[t].wanted,
                                           wr_ingestion_col((enum wr_table)t));
    if (!e->runner || !e->scratch || getrandom(&e->secret, sizeof e->secret, 0) != (ssize_t)sizeof e->secret ||
        !fill(e, e->runner) || !(e->sel = calloc(e->nlegs + 1u, sizeof *e->sel)) ||
        !(e->rule_of = calloc(e->nlegs + 1u, sizeof *e->rule_of))) {
        wr_engine_free(e);
        return NULL;
    }
    for (uint32_t i = 0, leg = 0; leg < e->nlegs; leg++) {
        while (i + 1 < e->n && e->runner[i + 1].first <= leg)
            i++;
        e->rule_of[leg] = i;
    }
    return e;
}

void wr_engine_free(struct wr_engine *engine)
{
    if (!engine)
        return;
    runners_free(engine->runner, engine->n);
    wr_scratch_free(engine->scratch);
    for (int t = 0; t < WR_NTABLES; t++) {
        wr_dispatch_free(engine->dispatch[t]);
        wr_prefixes_free(engine->prefixes[t]);
    }
    free(engine->sel);
    free(engine->rule_of);
    wr_ruleset_unref(engine->set);
    free(engine);
}

static bool reads(const struct runner *r, enum wr_table table)
{
    return r->window ? wr_window_reads(r->window, table) : wr_stream_reads(r->stream, table);
}

/* What streams of one leg have in common. NULL when out of memory. */
static struct wr_prefixes *prefixes_of(const struct wr_engine *e, enum wr_table table)
{
    struct wr_prefix_rule *legs = calloc(e->nlegs + 1u, sizeof *legs);
    for (uint32_t i = 0; legs && i < e->n; i++) {
        const struct runner *r = &e->runner[i];
        if (!r->stream || wr_stream_legs(r->stream) != 1)
            continue;
        struct wr_prefix_rule *leg = &legs[r->first];
        leg->top = wr_stream_leg(r->stream, 0, table);
        leg->ops = wr_stream_prefix(r->stream, 0, &leg->nops);
        leg->wanted = &wr_ruleset_rule(e->set, i)->plan->scans[table].wanted;
    }
    struct wr_prefixes *p = legs ? wr_prefixes_new(table, legs, e->nlegs) : NULL;
    free(legs);
    return p;
}

/* Readers of the table, what they share, and who is woken by which row. False when out of memory. */
static bool make_dispatch(struct wr_engine *e, enum wr_table table)
{
    struct wr_dispatch_rule *legs = calloc(e->nlegs + 1u, sizeof *legs);
    struct wr_prefixes *shared = legs ? prefixes_of(e, table) : NULL;
    e->readers[table] = 0;
    for (uint32_t i = 0; shared && i < e->n; i++) {
        const struct runner *r = &e->runner[i];
        const struct wr_plan *plan = wr_ruleset_rule(e->set, i)->plan;
        e->readers[table] += reads(r, table);
        for (uint32_t l = 0; r->stream && l < wr_stream_legs(r->stream); l++)
            if (!wr_prefixes_follows(shared, r->first + l)) /* else it is woken with the first */
                legs[r->first + l].root = wr_stream_leg(r->stream, l, table);
        if (r->window && reads(r, table))
            legs[r->first] = (struct wr_dispatch_rule){plan->root, plan->subs, plan->nsubs};
    }
    e->dispatch[table] = shared ? wr_dispatch_new(table, legs, e->nlegs) : NULL;
    free(legs);
    if (!e->dispatch[table]) {
        wr_prefixes_free(shared);
        return false;
    }
    e->prefixes[table] = shared;
    return true;
}

/* When these rows came, unless they know. */
static void tell_arrival(enum wr_table table, struct wr_batch *batch, int64_t now)
{
    struct wr_vec *v = &batch->col[wr_ingestion_col(table)];
    for (uint32_t row = 0; v->i && row < batch->nrows; row++)
        if (!wr_vec_valid(v, row)) {
            v->i[row] = now;
            wr_vec_set_valid(v, row);
        }
}

static enum wr_err advance(struct runner *r, int64_t now)
{
    return r->window ? wr_window_advance(r->window, now) : wr_stream_advance(r->stream, now);
}

static size_t memory_of(const struct runner *r)
{
    return r->window ? wr_window_bytes(r->window) : wr_stream_bytes(r->stream);
}

/* Half of the memory is shared out evenly, and each rule's part is its own; the other half goes to
 * whoever needs it. */
static void bound(const struct wr_engine *e, struct runner *r)
{
    size_t pool = e->opts.memory_bytes / 2;
    size_t most = e->own + r->over + (pool > e->over ? pool - e->over : 0);
    if (r->window)
        wr_window_bound(r->window, most);
    else
        wr_stream_bound(r->stream, most);
}

static void weigh(struct wr_engine *e, struct runner *r)
{
    size_t have = memory_of(r);
    e->over -= r->over;
    r->over = have > e->own ? have - e->own : 0;
    e->over += r->over;
}

/* Work that was begun at *clock is rule r's; the next begins now. */
static void charge(struct wr_engine *e, struct runner *r, uint64_t *clock)
{
    weigh(e, r);
    r->due = r->window ? wr_window_due(r->window) : wr_stream_due(r->stream);
    if (r->due < e->due)
        e->due = r->due;
    if (!e->opts.clock_ns)
        return;
    uint64_t now = e->opts.clock_ns();
    r->ns += now - *clock;
    *clock = now;
}

/* Rules for which it is time; the others know what time it is when they next have something to do.
 */
static enum wr_err advance_due(struct wr_engine *e)
{
    if (e->now < e->due)
        return WR_OK;
    uint64_t clock = e->opts.clock_ns ? e->opts.clock_ns() : 0;
    bool all = e->due == INT64_MIN; /* who knows what changed */
    e->due = INT64_MAX;
    for (uint32_t i = 0; i < e->n; i++) {
        struct runner *r = &e->runner[i];
        if (!all && r->due > e->now) {
            e->due = r->due < e->due ? r->due : e->due;
            continue;
        }
        enum wr_err err = advance(r, e->now);
        charge(e, r, &clock);
        if (err) {
            e->due = INT64_MIN;
            return err;
        }
    }
    return WR_OK;
}

/* Every rule knows what time it is. */
static enum wr_err settle(const struct wr_engine *e)
{
    enum wr_err err = WR_OK;
    for (uint32_t i = 0; i < e->n && !err; i++)
        err = advance(&e->runner[i], e->now);
    return err;
}

/* Rules that are woken after the one at hand come into the cache while it works: its runner first, then its state. */
static inline void touch_ahead(const struct wr_engine *e, const uint32_t *legs, uint32_t k, uint32_t n)
{
    enum { STATE = 2, RUNNER = 4 };
    if (k + RUNNER < n)
        __builtin_prefetch(&e->runner[e->rule_of[legs[k + RUNNER]]]);
    const struct runner *r = k + STATE < n ? &e->runner[e->rule_of[legs[k + STATE]]] : NULL;
    if (r && r->stream)
        wr_stream_prefetch(r->stream);
}

/* Rows of a batch for the rules of a leg. */
struct wake {
    enum wr_table table;
    const struct wr_batch *batch;
    uint64_t clock; /* when the last one was done */
};

static enum wr_err wake(struct wr_engine *e, struct wake *w, uint32_t rule, const struct wr_sel *sel)
{
    struct runner *r = &e->runner[rule];
    bound(e, r);
    enum wr_err err = r->window ? wr_window_consume_rows(r->window, w->table, w->batch, sel, e->now)
                                : wr_stream_consume_rows(r->stream, w->table, w->batch, sel, e->now);
    charge(e, r, &w->clock);
    return err;
}

/* Rules that begin alike: what they share once, then each its own. */
static enum wr_err wake_group(struct wr_engine *e, struct wake *w, const uint32_t *legs, uint32_t n)
{
    struct wr_prefixes *p = e->prefixes[w->table];
    const struct wr_sel *sel = &e->sel[legs[0]];
    struct wr_eval ev = {.arena = e->scratch->shared, .now = e->now};
    bool each = !wr_prefixes_may(p, w->batch, sel); /* each goes the whole way */
    enum wr_err err = WR_OK;
    if (!each) {
        wr_arena_reset(e->scratch->shared);
        err = wr_prefixes_begin(p, legs[0], w->batch, sel, &ev) ? WR_OK : WR_ENOMEM;
    }
    for (uint32_t k = 0; k < n && !err; k++) {
        uint32_t rule = e->rule_of[legs[k]];
        struct runner *r = &e->runner[rule];
        struct wr_prefix_rows rows;
        r->rows += sel->n;
        if (each) {
            err = wake(e, w, rule, sel);
            continue;
        }
        if (!wr_prefixes_rows(p, legs[k], &rows))
            return WR_ENOMEM;
        bound(e, r);
        err = wr_stream_consume_rest(r->stream, &rows, e->now);
        charge(e, r, &w->clock);
    }
    return err;
}

enum wr_err wr_engine_consume(struct wr_engine *engine, enum wr_table table, struct wr_batch *batch,
                              int64_t now)
{
    struct wr_engine *e = engine;
    const uint32_t *legs;
    uint32_t n;
    if ((!e->dispatch[table] && !make_dispatch(e, table)) ||
        !wr_dispatch_rows(e->dispatch[table], batch, e->sel, &legs, &n))
        return WR_ENOMEM;
    if (e->arrival[table])
        tell_arrival(table, batch, now);
    e->now = now > e->now ? now : e->now;
    e->rows_in += (uint64_t)batch->sel.n * e->readers[table];
    e->turn++;
    struct wake w = {table, batch, e->opts.clock_ns && n ? e->opts.clock_ns() : 0};
    for (uint32_t k = 0; k < n; k++) {
        uint32_t rule = e->rule_of[legs[k]], together;
        struct runner *r = &e->runner[rule];
        const uint32_t *group = wr_prefixes_group(e->prefixes[table], legs[k], &together);
        enum wr_err err = WR_OK;
        touch_ahead(e, legs, k, n);
        if (group) {
            err = wake_group(e, &w, group, together);
        } else {
            r->rows += e->sel[legs[k]].n;
            if (r->turn != e->turn) /* else another leg of it */
                err = wake(e, &w, rule, &e->sel[r->first]);
            r->turn = e->turn;
        }
        if (err)
            return err;
    }
    return advance_due(e);
}

void wr_engine_refdata_changed(struct wr_engine *engine)
{
    for (uint32_t i = 0; i < engine->n; i++)
        if (engine->runner[i].window)
            wr_window_changed(engine->runner[i].window);
    engine->due = INT64_MIN;
}

enum wr_err wr_engine_advance(struct wr_engine *engine, int64_t now)
{
    engine->now = now > engine->now ? now : engine->now;
    return advance_due(engine);
}

static struct wr_alert *gather(struct wr_engine *e, struct wr_alert *(*from)(struct wr_stream *),
                               struct wr_alert *(*from_window)(struct wr_window *))
{
    struct wr_alert *list = NULL, **end = &list;
    for (uint32_t i = 0; i < e->n; i++) {
        *end = e->runner[i].window ? from_window(e->runner[i].window) : from(e->runner[i].stream);
        for (; *end; end = &(*end)->next)
            wr_alert_decorate(*end, wr_ruleset_rule(e->set, i));
    }
    return list;
}

struct wr_alert *wr_engine_alerts(struct wr_engine *engine)
{
    return gather(engine, wr_stream_alerts, wr_window_alerts);
}

struct wr_alert *wr_engine_firing(struct wr_engine *engine)
{
    if (settle(engine))
        return NULL;
    return gather(engine, wr_stream_firing, wr_window_firing);
}

struct wr_engine_stats wr_engine_stats(const struct wr_engine *engine)
{
    struct wr_engine_stats sum = {0};
    for (uint32_t i = 0; i < engine->n; i++)
        if (engine->runner[i].window)
            wr_window_stats(engine->runner[i].window, &sum);
        else
            wr_stream_stats(engine->runner[i].stream, &sum);
    sum.rows_in = engine->rows_in;
    return sum;
}

struct wr_rule_cost wr_engine_cost(const struct wr_engine *engine, uint32_t rule)
{
    const struct runner *r = &engine->runner[rule];
    struct wr_engine_stats st = {0};
    if (r->window)
        wr_window_stats(r->window, &st);
    else
        wr_stream_stats(r->stream, &st);
    return (struct wr_rule_cost){.ns = r->ns,
                                 .rows = r->rows,
                                 .runs = st.runs,
                                 .rows_kept = st.rows_kept,
                                 .groups = st.groups,
                                 .memory_bytes = st.memory_bytes};
}

void wr_engine_save(const struct wr_engine *engine, struct wr_buf *out)
{
    struct wr_buf state = {0};
    if (settle(engine))
        out->err = WR_ENOMEM;
    wr_buf_add(out, "WRE3", 4);
    wr_buf_u32(out, engine->n);
    for (uint32_t i = 0; i < engine->n; i++) {
        const struct wr_rule *rule = wr_ruleset_rule(engine->set, i);
        wr_buf_reset(&state);
        if (engine->runner[i].window)
            wr_window_save(engine->runner[i].window, &state);
        else
            wr_stream_save(engine->runner[i].stream, &state);
        wr_buf_blob(out, rule->id, (uint32_t)strlen(rule->id));
        wr_buf_blob(out, rule->version, (uint32_t)strlen(rule->version));
        wr_buf_u64(out, rule->plan->hash[0]);
        wr_buf_u64(out, state_kind(rule));
        wr_buf_u32(out, wr_crc32c(0, state.data ? state.data : "", state.len));
        if (state.len > UINT32_MAX)
            state.err = WR_ELIMIT;
        wr_buf_blob(out, state.data, (uint32_t)state.len);
        if (state.err)
            out->err = state.err;
    }
    wr_buf_fini(&state);
}

struct saved {
    const uint8_t *id, *version, *state;
    uint32_t id_len, version_len, state_len;
    uint64_t hash[2];
};

static bool saved_read(struct wr_rd *rd, struct saved *v)
{
    v->id = wr_rd_blob(rd, &v->id_len);
    v->version = wr_rd_blob(rd, &v->version_len);
    v->hash[0] = wr_rd_u64(rd);
    v->hash[1] = wr_rd_u64(rd);
    uint32_t crc = wr_rd_u32(rd);
    v->state = wr_rd_blob(rd, &v->state_len);
    return !rd->err && wr_crc32c(0, v->state, v->state_len) == crc;
}

static bool is_text(const uint8_t *p, uint32_t len, const char *text)
{
    return strlen(text) == len && memcmp(p, text, len) == 0;
}

enum wr_err wr_engine_load(struct wr_engine *engine, const void *bytes, size_t len)
{
    struct wr_rd rd = wr_rd_init(bytes, len);
    const uint8_t *magic = wr_rd_take(&rd, 4);
    uint32_t n = wr_rd_u32(&rd);
    if (!magic || memcmp(magic, "WRE3", 4) != 0 || rd.err)
        return WR_ECORRUPT;
    struct runner *list = calloc(engine->n + 1, sizeof *list);
    bool *taken = calloc(engine->n + 1, sizeof *taken);
    enum wr_err err = list && taken && fill(engine, list) ? WR_OK : WR_ENOMEM;
    for (uint32_t k = 0; k < n && !err; k++) {
        struct saved v;
        if (!saved_read(&rd, &v)) {
            err = WR_ECORRUPT;
            break;
        }
        for (uint32_t i = 0; i < engine->n && !err; i++) {
            const struct wr_rule *rule = wr_ruleset_rule(engine->set, i);
            if (taken[i] || !is_text(v.id, v.id_len, rule->id) ||
                !is_text(v.version, v.version_len, rule->version) ||
                v.hash[0] != rule->plan->hash[0] || v.hash[1] != state_kind(rule))
                continue;
            taken[i] = true;
            err = list[i].window ? wr_window_load(list[i].window, v.state, v.state_len)
                                 : wr_stream_load(list[i].stream, v.state, v.state_len);
            break;
        }
    }
    if (!err && rd.at != rd.end)
        err = WR_ECORRUPT;
    if (!err) { /* all of it is right: now it counts */
        struct runner *old = engine->runner;
        engine->runner = list;
        list = old;
        engine->due = INT64_MIN;
        engine->over = 0;
        for (uint32_t i = 0; i < engine->n; i++)
            weigh(engine, &engine->runner[i]);
    }
    runners_free(list, engine->n);
    free(taken);
    return err;
}
