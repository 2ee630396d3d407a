/* The calls: time moves, a record or an event comes, rows become due. */
#include "parsers/conn/conn.h"

#include "parsers/conn/foresee.h"

#include <stdlib.h>
#include <string.h>

enum { DEFAULT_CONNECTIONS = 1000000 };
#define DEFAULT_HOLD (600 * WR_SECOND)
#define DEFAULT_PAIR (2 * WR_SECOND)
#define ACTIVE_TIMEOUT (1800 * WR_SECOND) /* the longest in common use */
#define HOUR (3600 * WR_SECOND)
#define TCP_IDLE (7200 * WR_SECOND)
#define OPT_MAX (WR_TIME_MAX / 4)

static const uint16_t key_cols[] = {WR_DNE_Timestamp,  WR_DNE_ActionType, WR_DNE_RemoteIP,
                                    WR_DNE_RemotePort, WR_DNE_LocalIP,    WR_DNE_LocalPort,
                                    WR_DNE_Protocol,  WR_DNE_SentBytes,  WR_DNE_ReceivedBytes,
                                    WR_DNE_DeviceName, WR_DNE_ReportId};

static struct wr_colset join(const struct wr_colset *a, const struct wr_colset *b)
{
    struct wr_colset set = *a;
    for (size_t i = 0; i < sizeof set.bits / sizeof *set.bits; i++)
        set.bits[i] |= b->bits[i];
    return set;
}

struct wr_colset wr_conn_event_cols(const struct wr_colset *wanted, const struct wr_colset *sessions)
{
    struct wr_colset sources = wr_session_sources(sessions), set = join(wanted, &sources);
    for (size_t i = 0; i < sizeof key_cols / sizeof *key_cols; i++)
        wr_colset_add(&set, key_cols[i]);
    return set;
}

static void add_hidden(struct wr_colset *set, enum wr_table table)
{
    const struct wr_schema *schema = wr_schema_of(table);
    for (uint16_t i = 0; i < schema->ncols; i++)
        if (schema->cols[i].hidden)
            wr_colset_add(set, i);
}

static void set_defaults(struct wr_conn_opts *o)
{
    if (!o->max_connections)
        o->max_connections = DEFAULT_CONNECTIONS;
    if (o->hold_ns <= 0)
        o->hold_ns = DEFAULT_HOLD;
    if (o->pair_ns <= 0)
        o->pair_ns = DEFAULT_PAIR;
    o->hold_ns = o->hold_ns < OPT_MAX ? o->hold_ns : OPT_MAX;
    o->pair_ns = o->pair_ns < OPT_MAX ? o->pair_ns : OPT_MAX;
    add_hidden(&o->wanted, WR_TABLE_DEVICE_NETWORK_EVENTS);
}

/* Batches of one row for rendering. Sessions have theirs even when nobody reads them: a state may hold some from before. */
static bool make_scratch(struct wr_conn *c)
{
    for (size_t i = 0; i < sizeof c->opts.sessions.bits / sizeof *c->opts.sessions.bits; i++)
        c->sessions |= c->opts.sessions.bits[i] != 0;
    const struct wr_schema *events = wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS);
    struct wr_colset sources = wr_session_sources(&c->opts.sessions);
    c->kept = join(&c->opts.wanted, &sources);
    c->kept_seen = c->kept;
    for (uint16_t i = 0; i < events->ncols; i++)
        if (events->cols[i].hidden)
            c->kept_seen.bits[i / 64] &= ~(UINT64_C(1) << (i % 64));
    wr_told_init(c);
    bool estimated = wr_colset_has(&c->opts.wanted, WR_DNE_BytesEstimated);
    c->tells_bytes[0] = estimated || wr_colset_has(&c->opts.wanted, WR_DNE_SentBytes);
    c->tells_bytes[1] = estimated || wr_colset_has(&c->opts.wanted, WR_DNE_ReceivedBytes);
    c->tells_quality = wr_colset_has(&c->opts.wanted, WR_DNE_MatchQuality);
    c->scratch = wr_batch_new(events, &c->kept, 1);
    struct wr_colset rows = c->opts.sessions;
    add_hidden(&rows, WR_TABLE_ASIM_NETWORK_SESSION_LOGS);
    c->session = wr_batch_new(wr_schema_of(WR_TABLE_ASIM_NETWORK_SESSION_LOGS), &rows, 1);
    c->view = wr_batch_new(events, &c->kept, 1);
    const struct wr_schema *sided = wr_schema_of(WR_TABLE_HIDDEN_CONNECTION);
    struct wr_colset all = wr_colset_all(sided);
    c->one_sided = wr_batch_new(sided, &all, 1);
    return c->scratch && c->session && c->view && c->one_sided;
}

struct wr_conn *wr_conn_new(const struct wr_conn_opts *opts)
{
    struct wr_conn *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->opts = *opts;
    set_defaults(&c->opts);
    c->hash_key = wr_hash_key_random();
    c->pair_key = wr_pair_key_random();
    c->entries = (struct wr_pool){.size = sizeof(struct wr_entry), .free = WR_NONE};
    c->links = (struct wr_pool){.size = sizeof(struct wr_link), .free = WR_NONE};
    c->waits = (struct wr_pool){.size = sizeof(struct wr_wait), .free = WR_NONE};
    c->rows = (struct wr_pool){.size = sizeof(struct wr_crow), .free = WR_NONE};
    c->points = (struct wr_pool){.size = sizeof(struct wr_point), .free = WR_NONE};
    c->totals = (struct wr_pool){.size = sizeof(struct wr_total), .free = WR_NONE};
    for (int i = 0; i < 2; i++)
        c->wait[i] = (struct wr_list){WR_NONE, WR_NONE};
    for (int i = 0; i < WR_NLRU; i++)
        c->lru[i] = (struct wr_list){WR_NONE, WR_NONE};
    c->clocks = (struct wr_pool){.size = sizeof(struct wr_clock), .free = WR_NONE};
    c->recents = (struct wr_pool){.size = sizeof(struct wr_recent), .free = WR_NONE};
    c->agents = (struct wr_pool){.size = sizeof(struct wr_agent), .free = WR_NONE};
    c->answers = (struct wr_pool){.size = sizeof(struct wr_answer), .free = WR_NONE};
    c->recent = c->agent = c->answer = (struct wr_list){WR_NONE, WR_NONE};
    wr_nats_init(&c->nat);
    c->nat.inside = wr_session_shows_nat(&opts->sessions);
    c->first_heard = -1;
    c->advanced = INT64_MIN;
    c->next_id = 1;
    if (!make_scratch(c)) {
        wr_conn_free(c);
        return NULL;
    }
    return c;
}

void wr_conn_free(struct wr_conn *conn)
{
    if (!conn)
        return;
    wr_whos_fini(&conn->whos);
    for (int i = 0; i < WR_NDUE; i++)
        free(conn->due[i].at);
    wr_pool_fini(&conn->entries);
    wr_pool_fini(&conn->links);
    wr_pool_fini(&conn->waits);
    wr_pool_fini(&conn->rows);
    wr_pool_fini(&conn->points);
    wr_pool_fini(&conn->totals);
    free(conn->by_key.slot);
    free(conn->ids.ring);
    free(conn->ids.old.slot);
    wr_slab_fini(&conn->pieces);
    wr_pool_fini(&conn->clocks);
    free(conn->by_device.slot);
    wr_recents_fini(conn);
    wr_agents_fini(conn);
    wr_answers_fini(conn);
    wr_batch_free(conn->one_sided);
    wr_observers_fini(&conn->observers);
    wr_labels_fini(&conn->labels);
    wr_nats_fini(&conn->nat);
    wr_batch_free(conn->scratch);
    wr_batch_free(conn->session);
    wr_batch_free(conn->view);
    wr_buf_fini(&conn->buf);
    for (int i = 0; i < 2; i++)
        wr_buf_fini(&conn->event[i]);
    free(conn);
}

const struct wr_conn_stats *wr_conn_stats(const struct wr_conn *conn)
{
    return &conn->stats;
}

static enum wr_err end_waits(struct wr_conn *c, uint8_t list, int64_t now)
{
    enum wr_err err = WR_OK;
    while (!err && c->wait[list].head != WR_NONE && wr_wait_at(c, c->wait[list].head)->due <= now)
        err = wr_row_settle(c, c->wait[list].head);
    return err;
}

static enum wr_err expire(struct wr_conn *c, uint8_t list, int64_t idle)
{
    enum wr_err err = WR_OK;
    while (!err && c->lru[list].head != WR_NONE &&
           c->now - wr_entry_at(c, c->lru[list].head)->touched > idle)
        err = wr_table_drop(c, c->lru[list].head);
    return err;
}

/* How long a connection that has ended stays, in case another exporter has yet to tell of it: as long as any record of
 * the last hours took, or as events may take. */
static int64_t longest(const struct wr_conn *c)
{
    int64_t lag = c->lag[0] > c->lag[1] ? c->lag[0] : c->lag[1];
    lag = lag + 60 * WR_SECOND < ACTIVE_TIMEOUT ? lag + 60 * WR_SECOND : ACTIVE_TIMEOUT;
    int64_t events = c->opts.hold_ns + 60 * WR_SECOND;
    return lag > events ? lag : events;
}

static void note_lag(struct wr_conn *c, int64_t start)
{
    int64_t lag = c->now - start;
    if (c->now - c->lag_since > HOUR) {
        c->lag[1] = c->lag[0];
        c->lag[0] = 0;
        c->lag_since = c->now;
    }
    lag = lag < ACTIVE_TIMEOUT ? lag : ACTIVE_TIMEOUT;
    c->lag[0] = lag > c->lag[0] ? lag : c->lag[0];
}

enum wr_err wr_conn_advance(struct wr_conn *conn, int64_t now_ns)
{
    if (now_ns == conn->advanced) /* nothing that came since is due at once */
        return WR_OK;
    if (now_ns > conn->now)
        conn->now = now_ns < WR_TIME_MAX ? now_ns : WR_TIME_MAX;
    if (conn->opts.final_only)
        return WR_OK;
    int64_t done = longest(conn), quick = done;
    if ((conn->opts.expect_endpoint || conn->seen_event) && quick < ACTIVE_TIMEOUT)
        quick = ACTIVE_TIMEOUT; /* an event that is later than it should be still finds it */
    wr_nats_expire(conn, quick);
    enum wr_err err = end_waits(conn, WR_WAIT_HOLD, conn->now);
    if (!err)
        err = end_waits(conn, WR_WAIT_PAIR, conn->now);
    if (!err)
        err = expire(conn, WR_LRU_DONE, done);
    if (!err)
        err = expire(conn, WR_LRU_QUICK, quick);
    if (!err)
        err = expire(conn, WR_LRU_SLOW, TCP_IDLE + quick);
    if (!err)
        conn->advanced = now_ns;
    return err;
}

static enum wr_err learn(struct wr_conn *c, struct wr_entry *e, const struct wr_record *rec, const struct wr_flow *flow,
                         struct wr_who who)
{
    enum wr_err err = wr_who_learn(c, e, rec->src, who);
    enum wr_who_kind kind;
    const char *text;
    uint32_t len;
    while (!err && wr_who_next(&who, &kind, &text, &len))
        if (kind == WR_WHO_APPLICATION && c->sessions)
            err = wr_label_learn(c, e, text, len);
        else if (kind == WR_WHO_DEVICE_NAME) /* for all that this address does, whichever worker decoded it */
            err = wr_agent_called(c, flow->src, flow->flags & WR_FLOW_V6, (struct wr_who){(const uint8_t *)text, len},
                                  rec->end, WR_CALLER_FLOW);
    return err;
}

enum wr_err wr_conn_flow(struct wr_conn *conn, const struct wr_flow *flow, int64_t now_ns)
{
    return wr_conn_flow_who(conn, flow, (struct wr_who){0}, now_ns);
}

static enum wr_err take_record(struct wr_conn *conn, struct wr_record *rec, const struct wr_flow *flow, struct wr_who who)
{
    enum wr_err err = WR_OK;
    conn->stats.flows++;
    note_lag(conn, rec->start);
    struct wr_flow moved;
    if (conn->nat.naliases || conn->nat.nblocks) {
        if ((err = wr_nat_record(conn, rec, flow)))
            return err;
        if (rec->nat & WR_NAT_MOVED) {
            moved = *flow;
            moved.point ^= WR_NAT_POINT;
            flow = &moved;
        }
    }
    uint32_t second, i = wr_match_record(conn, rec, flow, &second);
    if (i == WR_NONE) {
        err = wr_table_add(conn, &rec->key, rec->hash, rec->start, false, &i);
        if (!err && conn->sessions)
            err = wr_observer_note(conn, flow->point, flow->exporter);
        if (err)
            return err;
    }
    struct wr_entry *e = wr_entry_at(conn, i);
    bool first = !(e->flags & WR_CONN_FLOW), dup;
    int64_t start = e->start;
    wr_table_prefetch(conn, e);
    err = wr_count_record(conn, e, rec, flow, &dup);
    if (err)
        return err;
    if (dup) {
        conn->stats.dup_record++;
        return WR_OK;
    }
    e->nat |= rec->nat;
    if ((rec->nat & (WR_NAT_OUTPORT * 3)) && (err = wr_wild_add(conn, i, rec->nat & WR_NAT_OUTPORT ? 0 : 1)))
        return err;
    if (first && e->rows != WR_NONE && (err = wr_join_matched(conn, i)))
        return err;
    if (who.len && (err = learn(conn, e, rec, flow, who)))
        return err;
    if (second != WR_NONE && (err = wr_join_merge(conn, i, second, &i)))
        return err;
    if (second != WR_NONE || e->start != start)
        wr_table_rechain(conn, i);
    wr_table_touch(conn, i);
    return wr_join_react(conn, i);
}

enum wr_err wr_conn_flow_who(struct wr_conn *conn, const struct wr_flow *flow, struct wr_who who,
                             int64_t now_ns)
{
    struct wr_record rec;
    enum wr_err err = wr_conn_advance(conn, now_ns);
    if (!err && who.len)
        err = wr_nat_told(conn, flow, who);
    if (err || (flow->flags & WR_FLOW_NAT_EVENT))
        return err;
    wr_record_of(conn, flow, &rec);
    return take_record(conn, &rec, flow, who);
}

enum wr_err wr_conn_flows(struct wr_conn *conn, const struct wr_flow *flows, uint32_t n, int64_t now_ns)
{
    struct wr_record rec[WR_FORESEEN];
    enum wr_err err = WR_OK;
    while (n && !err) {
        uint32_t some = n < WR_FORESEEN ? n : WR_FORESEEN;
        for (uint32_t k = 0; k < some; k++)
            wr_record_of(conn, &flows[k], &rec[k]);
        wr_foresee_records(conn, rec, some);
        for (uint32_t k = 0; k < some && !err; k++) {
            err = now_ns == conn->advanced ? WR_OK : wr_conn_advance(conn, now_ns);
            if (!err && !(flows[k].flags & (WR_FLOW_NAT_EVENT | WR_FLOW_ASIDE)))
                err = take_record(conn, &rec[k], &flows[k], (struct wr_who){0});
        }
        flows += some;
        n -= some;
    }
    return err;
}

enum wr_err wr_conn_learn(struct wr_conn *conn, enum wr_table table, const struct wr_batch *batch, uint32_t row, int64_t now_ns)
{
    enum wr_err err;
    switch (table) {
    case WR_TABLE_COMMON_SECURITY_LOG:
        err = wr_conn_firewall(conn, batch, row, now_ns);
        return err ? err : wr_conn_lease(conn, batch, row, now_ns);
    case WR_TABLE_ASIM_DNS_ACTIVITY_LOGS:
        return wr_conn_dns(conn, batch, row, now_ns);
    case WR_TABLE_SYSLOG:
        return wr_conn_dhcp(conn, batch, row, now_ns);
    default:
        return WR_OK;
    }
}

/* Flows before the events that some of them may take. */
static enum wr_err flush_entries(struct wr_conn *c, bool hosts)
{
    enum wr_err err = WR_OK;
    for (int list = 0; list < WR_NLRU; list++)
        for (uint32_t i = c->lru[list].head; !err && i != WR_NONE; i = wr_link_at(c, i)->next) {
            const struct wr_entry *e = wr_entry_at(c, i);
            if (wr_key_is_host(&e->key) != hosts)
                continue;
            if (e->rows != WR_NONE)
                err = wr_rows_release(c, i);
            else if (!hosts)
                err = wr_row_orphan(c, i);
        }
    return err;
}

static enum wr_err flush(struct wr_conn *conn)
{
    enum wr_err err = end_waits(conn, WR_WAIT_HOLD, INT64_MAX);
    if (!err)
        err = end_waits(conn, WR_WAIT_PAIR, INT64_MAX);
    if (!conn->opts.final_only)
        return err;
    bool nat = conn->nat.naliases || conn->nat.nblocks;
    for (uint32_t i = 0; nat && !err && i < conn->entries.n; i++)
        if (wr_entry_at(conn, i)->lru != WR_LRU_NOT && wr_entry_at(conn, i)->rows == WR_NONE &&
            !wr_key_is_host(&wr_entry_at(conn, i)->key))
            err = wr_nat_settle(conn, i, &(uint32_t){0});
    for (int hosts = 0; hosts <= conn->hosts && !err; hosts++)
        err = flush_entries(conn, hosts);
    return err;
}

enum wr_err wr_conn_flush(struct wr_conn *conn)
{
    conn->flushing = true;
    enum wr_err err = flush(conn);
    conn->flushing = false;
    return err;
}
