/* Windowed rules with a schedule: each run is a batch run over [run - period, run); its threshold, grouping and silence. */
#include "window_kit.h"

Test(window_schedule, a_schedule_counts_rows_alerts_once_a_run_and_keeps_quiet)
{
    struct wr_plan *plan = plan_of("DeviceNetworkEvents | where RemotePort == 25 | project DeviceName");
    struct wr_rule_schedule schedule = {.frequency = 5 * GRID, .threshold = 1, .single = true};
    struct wr_window *w = window_new(plan, &schedule, 1 << 20);
    struct event e[] = {row_at(START + 1, 1), row_at(START + 6 * GRID, 2)};
    feed(w, &e[0], 1);
    feed(w, &e[1], 1);
    cr_expect_null(wr_window_alerts(w)); /* one row: not more than one */
    cr_assert_eq(wr_window_advance(w, START + 15 * GRID), WR_OK);
    struct wr_alert *a = wr_window_alerts(w);
    cr_assert(a && a->next && !a->next->next); /* the runs at 10 and 15 s */
    cr_expect_eq(a->raised_at, START + 10 * GRID);
    cr_expect_str_neq(a->id, a->next->id);
    wr_alerts_free(a);
    wr_window_free(w);
    schedule.suppression = 10 * GRID;
    w = window_new(plan, &schedule, 1 << 20);
    feed(w, &e[0], 1);
    feed(w, &e[1], 1);
    cr_assert_eq(wr_window_advance(w, START + 15 * GRID), WR_OK);
    a = wr_window_alerts(w);
    cr_assert(a && !a->next);
    wr_alerts_free(a);
    wr_window_free(w);
    wr_plan_free(plan);
}

static const struct {
    const char *query;
    uint32_t nkey; /* columns that a row keeps its alert by */
} scheduled[] = {
    {"DeviceNetworkEvents | where RemotePort == 25 | summarize n = count(), b = sum(SentBytes) by DeviceName", 1},
    {"DeviceNetworkEvents | where RemotePort == 587 | project Timestamp, DeviceName, SentBytes", 2},
    {"DeviceNetworkEvents | summarize n = count()", 0},
    {"DeviceNetworkEvents | where SentBytes > 60 | summarize m = max(SentBytes) by DeviceName, RemotePort | where m < 140", 2}};

/* Lines of a text, each cut behind its n-th column. */
static uint32_t lines_of(const char *text, uint32_t n, char out[][128])
{
    uint32_t lines = 0;
    for (const char *end; (end = strchr(text, '\n')) != NULL; text = end + 1, lines++) {
        const char *cut = text;
        for (uint32_t k = 0; k < n; k++)
            cut = strchr(cut, '|') + 1;
        cr_assert(lines < MAX_ROWS && cut - text < 128);
        memcpy(out[lines], text, (size_t)(cut - text));
        out[lines][cut - text] = '\0';
    }
    return lines;
}

/* Of sorted lists: how many of `a` are not in `b`. */
static uint32_t without(char a[][128], uint32_t na, char b[][128], uint32_t nb)
{
    uint32_t only = 0;
    for (uint32_t i = 0, k = 0; i < na; i++) {
        while (k < nb && strcmp(b[k], a[i]) < 0)
            k++;
        only += k == nb || strcmp(b[k], a[i]) != 0;
        k += k < nb && strcmp(b[k], a[i]) == 0;
    }
    return only;
}

struct model {
    struct wr_rule_schedule schedule;
    int64_t period, quiet_until;
    char *firing; /* rows of the last run that held, sorted */
    uint32_t nkey;
};

static bool model_holds(const struct wr_rule_schedule *s, uint32_t rows)
{
    int64_t n = rows;
    return s->op == WR_TRIGGER_GT   ? n > s->threshold
           : s->op == WR_TRIGGER_LT ? n < s->threshold
           : s->op == WR_TRIGGER_EQ ? n == s->threshold
                                    : n != s->threshold;
}

/* The run at t, of which `w` has just told. */
static void check_run(struct model *m, struct wr_window *w, const struct wr_plan *plan, const struct event *e, uint32_t n,
                      int64_t t)
{
    static char have[MAX_ROWS][128], was[MAX_ROWS][128];
    uint32_t count[3] = {0}, raised = 0, resolved = 0; /* by enum wr_alert_kind */
    struct wr_alert *list = wr_window_alerts(w);
    for (const struct wr_alert *a = list; a; a = a->next)
        count[a->kind == WR_ALERT_RAISED ? 0 : a->kind == WR_ALERT_RESOLVED ? 1 : 2]++;
    if (t < m->quiet_until) {
        cr_assert_null(list, "a run while it is to be quiet");
        return;
    }
    char *rows = batch_between(plan, e, n, t, t - m->period, t, m->schedule.by_arrival);
    uint32_t nrows = lines_of(rows, 0, have);
    bool holds = model_holds(&m->schedule, nrows);
    if (m->schedule.single) {
        raised = holds;
        char *said = cells_text(list);
        cr_assert(!raised || !nrows || strstr(rows, said), "%s is none of\n%s", said, rows);
        free(said);
    } else {
        wr_alerts_free(list);
        if (!holds)
            *rows = '\0';
        char *firing = cells_text(wr_window_firing(w));
        cr_assert_str_eq(firing, rows, "at %lld: %s\nbatch:\n%s", (long long)(t - START), firing, rows);
        free(firing);
        uint32_t nhave = lines_of(rows, m->nkey, have), nwas = lines_of(m->firing, m->nkey, was);
        raised = without(have, nhave, was, nwas);
        resolved = without(was, nwas, have, nhave);
    }
    cr_assert_eq(count[0], raised);
    cr_assert_eq(count[1], resolved);
    if (raised && m->schedule.suppression)
        m->quiet_until = t + m->schedule.suppression;
    free(m->firing);
    m->firing = m->schedule.single ? strdup("") : strdup(rows);
    free(rows);
}

/* Times on a grid of their own, so that many are those of runs; some clocks are ahead. */
static void coarse(struct event *e, uint32_t n)
{
    int64_t ahead[MAX_ROWS + 1];
    for (uint32_t i = 0; i <= n; i++)
        ahead[i] = roll(8) ? 0 : (int64_t)roll(5) * GRID;
    for (uint32_t i = 0; i < n; i++) {
        e[i].now = (e[i].now + GRID / 2 - 1) / (GRID / 2) * (GRID / 2);
        e[i].ts = e[i].ts / (GRID / 2) * (GRID / 2) + ahead[e[i].id];
    }
}

static void check_schedule(uint64_t seed, size_t q)
{
    prng = seed;
    struct event e[MAX_ROWS];
    int64_t f = (int64_t)(1 + roll(4)) * GRID;
    struct model m = {.schedule = {.frequency = f,
                                   .op = (enum wr_trigger)roll(4),
                                   .threshold = roll(3),
                                   .single = roll(3) == 0,
                                   .suppression = roll(3) ? 0 : (int64_t)(1 + roll(3)) * f,
                                   .by_arrival = roll(4) == 0},
                      .period = (int64_t)(1 + roll(4)) * f,
                      .firing = strdup(""),
                      .nkey = scheduled[q].nkey};
    struct wr_plan *plan = plan_of(scheduled[q].query);
    cr_assert(wr_plan_set_window(plan, m.period, "the test"));
    struct wr_window *w = window_new(plan, &m.schedule, 1 << 20);
    uint32_t n = world(e, 30 + roll(50), true);
    coarse(e, n);
    int64_t t = (e[0].now + f - 1) / f * f;
    for (uint32_t i = 0; i < n; i++) {
        for (; t <= e[i].now; t += f) {
            cr_assert_eq(wr_window_advance(w, t), WR_OK);
            check_run(&m, w, plan, e, i, t);
        }
        feed(w, &e[i], 1);
        if (roll(6))
            continue;
        struct wr_buf state = {0};
        wr_window_save(w, &state);
        wr_window_free(w);
        w = window_new(plan, &m.schedule, 1 << 20);
        cr_assert_eq(wr_window_load(w, state.data, state.len), WR_OK);
        wr_buf_fini(&state);
    }
    free(m.firing);
    wr_window_free(w);
    wr_plan_free(plan);
}

Test(window_schedule, each_run_of_a_schedule_is_a_batch_run_over_its_period)
{
    for (size_t q = 0; q < sizeof scheduled / sizeof *scheduled; q++)
        for (uint64_t seed = 1; seed <= 60; seed++)
            check_schedule(seed * 7 + q, q);
}
