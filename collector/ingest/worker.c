#include "collector/ingest/worker.h"

#include "collector/io/udp.h"
#include "collector/pipeline/block.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Rows wait in batches only until they are packed for the ring, and emptying one costs as much as it could hold. */
enum { STAGE_ROWS = 256 };
enum { RING_BYTES = 8 << 20, FLOWS_PER_MESSAGE = WR_BLOCK_RECORDS, MAIL_BYTES = 1 << 20, RESUME_MS = 2, SWEEP_MS = 10000 };

static bool push(struct wr_worker *w, uint32_t type, const void *bytes, size_t len, int64_t now_ns)
{
    if (w->unit) {
        wr_buf_u32(w->unit, type);
        wr_buf_blob(w->unit, bytes, (uint32_t)len);
        return !w->unit->err;
    }
    struct wr_input in = {.type = type, .len = (uint32_t)len, .arrival_ns = now_ns, .bytes = bytes};
    bool ok = len <= wr_ring_max(w->ring) && wr_ring_push(w->ring, &in);
    w->pushed |= ok;
    return ok;
}

bool wr_worker_push(struct wr_worker *worker, uint32_t type, const void *bytes, size_t len)
{
    return push(worker, type, bytes, len, worker->io->wall_ns(worker->io->ctx));
}

static void count_sent(struct wr_worker *w, bool ok, uint32_t n)
{
    if (ok)
        w->rows_sent += n;
    else
        w->rows_dropped += n;
}

/* A flow that says who did it goes by itself, with what it says. */
static void push_with_who(struct wr_worker *w, const struct wr_flow *flow, int64_t now_ns)
{
    struct wr_who who = wr_flow_who(&w->flows, flow);
    struct wr_flow alone = *flow;
    alone.who = 0;
    wr_buf_reset(&w->packed);
    wr_buf_add(&w->packed, &alone, sizeof alone);
    wr_buf_add(&w->packed, who.at, who.len);
    count_sent(w, !w->packed.err && push(w, WR_INPUT_FLOW_WHO, w->packed.data, w->packed.len, now_ns), 1);
    if (w->packed.err)
        wr_buf_fini(&w->packed);
}

/* Flows up to the next that says more than addresses and counters. */
static uint32_t plain_run(const struct wr_flow_vec *flows, uint32_t at)
{
    uint32_t n = flows->n - at < FLOWS_PER_MESSAGE ? flows->n - at : FLOWS_PER_MESSAGE;
    if (!flows->who.len)
        return n;
    for (uint32_t i = 0; i < n; i++)
        if (flows->at[at + i].who)
            return i;
    return n;
}

/* Of records whose rows go as a block those that are connections'. */
static void push_connections(struct wr_worker *w, const struct wr_flow *flows, uint32_t n, int64_t now_ns)
{
    uint32_t picked = 0;
    wr_buf_reset(&w->packed);
    for (uint32_t i = 0; i < n; i++) {
        if (!wr_wants_connection(w->conn_ports, &flows[i]))
            continue;
        wr_buf_add(&w->packed, &flows[i], sizeof flows[i]);
        picked++;
    }
    if (picked && (w->packed.err || !push(w, WR_INPUT_CONN_FLOWS, w->packed.data, w->packed.len, now_ns)))
        w->rows_dropped += picked;
}

/* As columns, where that is enough: what cannot be packed goes as it is. */
static bool push_flows(struct wr_worker *w, const struct wr_flow *flows, uint32_t n, int64_t now_ns)
{
    wr_buf_reset(&w->packed);
    if (w->flow_parts && wr_block_pack(flows, n, w->flow_parts, &w->packed)) {
        const bool ok = push(w, WR_INPUT_FLOW_BLOCK, w->packed.data, w->packed.len, now_ns);
        if (w->conn_ports)
            push_connections(w, flows, n, now_ns);
        return ok;
    }
    return push(w, WR_INPUT_FLOWS, flows, n * sizeof *flows, now_ns);
}

static void flush_flows(struct wr_worker *w, int64_t now_ns)
{
    for (uint32_t at = 0; at < w->flows.n;) {
        uint32_t n = plain_run(&w->flows, at);
        if (n)
            count_sent(w, push_flows(w, w->flows.at + at, n, now_ns), n);
        else
            push_with_who(w, &w->flows.at[at], now_ns);
        at += n ? n : 1;
    }
    struct wr_rd mail = wr_rd_init(w->flows.mail.data, w->flows.mail.len);
    while (mail.at < mail.end) {
        uint32_t len;
        const uint8_t *row = wr_rd_blob(&mail, &len);
        count_sent(w, row && push(w, wr_input_row(WR_TABLE_SMTP_MESSAGES), row, len, now_ns), 1);
    }
    wr_flow_vec_reset(&w->flows);
}

static void flush_batch(struct wr_worker *w, const struct wr_batch *batch, uint32_t type, int64_t now_ns)
{
    for (uint32_t row = 0; row < batch->nrows; row++) {
        wr_buf_reset(&w->packed);
        wr_row_pack(batch, row, &w->packed);
        count_sent(w, !w->packed.err && push(w, type, w->packed.data, w->packed.len, now_ns), 1);
        if (w->packed.err)
            wr_buf_fini(&w->packed);
    }
}

static void flush_rows(struct wr_worker *w, int64_t now_ns)
{
    for (uint32_t t = 0; t < WR_NTABLES; t++)
        if (w->rows.of[t] && w->rows.of[t]->nrows)
            flush_batch(w, w->rows.of[t], wr_input_row(t), now_ns);
    if (!wr_rows_reset(&w->rows)) {
        wr_rows_free(&w->rows);
        w->broken = true;
    }
}

void wr_worker_flush(struct wr_worker *w)
{
    int64_t now_ns = w->io->wall_ns(w->io->ctx);
    flush_flows(w, now_ns);
    flush_rows(w, now_ns);
}

void wr_worker_tell(struct wr_worker *w)
{
    if (!w->pushed)
        return;
    w->pushed = false;
    if (wr_ring_must_wake(w->ring))
        uv_async_send(w->owner);
}

void wr_worker_reject(struct wr_listener *l, unsigned why)
{
    l->stats.rejected++;
    l->stats.rejected_by[why]++;
}

void wr_worker_flows(struct wr_listener *l, const struct wr_flow_coming *train, int64_t now_ns)
{
    struct wr_worker *w = l->worker;
    uint64_t rejected[WR_FLOW_NREJECTS] = {0};
    const uint64_t n = train->len > train->segment ? (train->len + train->segment - 1) / train->segment : 1;
    const uint64_t ok = wr_flow_decode_train(w->decoder, train, now_ns, &w->flows, rejected);
    l->stats.received += n;
    l->stats.received_bytes += train->len;
    l->stats.decoded += ok;
    l->stats.rejected += n - ok;
    for (unsigned why = 0; ok < n && why < WR_FLOW_NREJECTS; why++)
        l->stats.rejected_by[why] += rejected[why];
    if (w->flows.n >= FLOWS_PER_MESSAGE || w->flows.mail.len >= MAIL_BYTES)
        flush_flows(w, now_ns);
}

void wr_worker_flow(struct wr_listener *l, const struct wr_flow_peer *peer, const uint8_t *data, size_t len,
                    int64_t now_ns)
{
    wr_worker_flows(l, &(struct wr_flow_coming){.peer = *peer, .data = data, .len = len, .segment = len}, now_ns);
}

/* Why a frame was refused whole, by what the parser counted since `was`; WR_LINE_NREJECTS: it was not. */
static enum wr_line_reject line_refused(const struct wr_log_stats *was, const struct wr_log_stats *is)
{
    bool taken = is->mapped + is->plain + is->unmapped != was->mapped + was->plain + was->unmapped;
    if (taken)
        return WR_LINE_NREJECTS;
    if (is->unparsed_json != was->unparsed_json)
        return WR_LINE_REJECT_json;
    if (is->unparsed_limit != was->unparsed_limit)
        return WR_LINE_REJECT_limit;
    if (is->unparsed_missing_field != was->unparsed_missing_field)
        return WR_LINE_REJECT_missing_field;
    return is->oversize != was->oversize ? WR_LINE_REJECT_oversize : WR_LINE_NREJECTS;
}

/* A frame may hold more rows than an empty batch has room for ({"records":[..]}): larger ones take their place. */
static bool grow(struct wr_rows *rows)
{
    uint32_t cap = WR_BATCH_MAX_ROWS;
    for (int t = 0; t < WR_NTABLES; t++)
        if (rows->of[t] && rows->of[t]->cap < cap)
            cap = rows->of[t]->cap;
    return cap < WR_BATCH_MAX_ROWS && wr_rows_grow(rows, cap > WR_BATCH_MAX_ROWS / 4 ? WR_BATCH_MAX_ROWS : cap * 4);
}

void wr_worker_line(struct wr_listener *l, const char *peer_text, const char *data, size_t len,
                    int64_t now_ns)
{
    struct wr_worker *w = l->worker;
    l->stats.received++;
    l->stats.received_bytes += len;
    if (w->broken) {
        wr_worker_reject(l, WR_LINE_REJECT_no_memory);
        return;
    }
    struct wr_log_stats was = *wr_log_stats(w->log);
    enum wr_err err;
    while ((err = wr_log_frame(w->log, peer_text, data, len, now_ns, &w->rows)) == WR_EFULL) {
        bool empty = wr_rows_count(&w->rows) == 0;
        flush_rows(w, now_ns);
        if (w->broken || (empty && !grow(&w->rows)))
            break;
    }
    enum wr_line_reject why = err ? WR_LINE_REJECT_no_memory : line_refused(&was, wr_log_stats(w->log));
    if (why == WR_LINE_NREJECTS)
        l->stats.decoded++;
    else
        wr_worker_reject(l, why);
}

/* Events of several lines whose end has not come until `now_ns`. */
static void give_up_waiting(struct wr_worker *w, int64_t now_ns)
{
    enum wr_err err = w->broken ? WR_OK : wr_log_idle(w->log, now_ns, &w->rows);
    while (err == WR_EFULL && !w->broken) {
        flush_rows(w, w->io->wall_ns(w->io->ctx));
        err = wr_log_idle(w->log, now_ns, &w->rows);
    }
}

/* ---- life ---- */

static void close_listeners(struct wr_worker *w)
{
    for (uint32_t i = 0; i < w->nlisteners; i++) {
        struct wr_listener *l = &w->listeners[i];
        if (!l->open)
            continue;
        l->open = false;
        if (wr_listen_is_udp(l->at->kind))
            wr_ingest_udp_close(l);
        else
            wr_ingest_tcp_close(l);
    }
}

static void on_wake(uv_async_t *wake)
{
    struct wr_worker *w = wake->data;
    if (uv_is_closing((uv_handle_t *)wake))
        return;
    pthread_mutex_lock(&w->lock);
    wr_ingest_streams_acks(w);
    if (!atomic_load(&w->stop)) {
        pthread_mutex_unlock(&w->lock);
        return;
    }
    for (uint32_t i = 0; i < w->nlisteners; i++)
        if (w->listeners[i].open && w->listeners[i].udp.slab)
            wr_ingest_udp_drain(&w->listeners[i]);
    wr_ingest_streams_close(w);
    give_up_waiting(w, INT64_MAX);
    wr_worker_flush(w);
    close_listeners(w);
    if (w->tail)
        wr_tail_stop(w->tail);
    pthread_mutex_unlock(&w->lock);
    uv_close((uv_handle_t *)&w->resume, NULL);
    uv_close((uv_handle_t *)&w->sweep, NULL);
    uv_close((uv_handle_t *)wake, NULL);
}

static void on_resume(uv_timer_t *timer)
{
    struct wr_worker *w = timer->data;
    pthread_mutex_lock(&w->lock);
    wr_ingest_streams_resume(w); /* one that is still held back starts the timer again */
    if (w->tail)
        wr_tail_resume(w->tail);
    wr_worker_flush(w);
    wr_worker_tell(w);
    pthread_mutex_unlock(&w->lock);
}

void wr_worker_resume_later(struct wr_worker *w)
{
    if (!uv_is_closing((uv_handle_t *)&w->resume))
        uv_timer_start(&w->resume, on_resume, RESUME_MS, 0);
}

static void on_sweep(uv_timer_t *timer)
{
    struct wr_worker *w = timer->data;
    pthread_mutex_lock(&w->lock);
    wr_ingest_streams_sweep(w);
    give_up_waiting(w, w->io->wall_ns(w->io->ctx));
    wr_worker_flush(w);
    wr_worker_tell(w);
    pthread_mutex_unlock(&w->lock);
}

static void worker_main(void *arg)
{
    struct wr_worker *w = arg;
    uv_run(&w->loop, UV_RUN_DEFAULT);
    atomic_store(&w->finished, true);
    uv_async_send(w->owner);
}

enum wr_err wr_worker_start(struct wr_worker *worker)
{
    uv_timer_start(&worker->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    if (uv_thread_create(&worker->thread, worker_main, worker) != 0)
        return WR_ENOMEM;
    worker->started = true;
    return WR_OK;
}

void wr_worker_stop(struct wr_worker *worker)
{
    atomic_store(&worker->stop, true);
    uv_async_send(&worker->wake);
}

static bool is_udp(const struct wr_listen *at)
{
    return wr_listen_is_udp(at->kind);
}

void wr_worker_tls(struct wr_worker *worker, const struct wr_tls_server *server)
{
    pthread_mutex_lock(&worker->lock);
    worker->tls = server;
    pthread_mutex_unlock(&worker->lock);
}

enum wr_err wr_worker_files(struct wr_worker *worker, const struct wr_fileposs *known)
{
    bool any = false;
    for (uint32_t i = 0; i < worker->nlisteners && worker->index == 0; i++)
        any |= worker->listeners[i].at->kind == WR_LISTEN_FILES;
    if (any)
        worker->tail = wr_tail_new(worker, known);
    return any && !worker->tail ? WR_ENOMEM : WR_OK;
}

static enum wr_err cannot_listen(const struct wr_listen *at, int rc, struct wr_buf *error)
{
    if (at->kind == WR_LISTEN_STDIN) {
        wr_buf_fmt(error, "cannot read standard input: %s; give it a pipe, a file or a terminal", strerror(-rc));
        return WR_EIO;
    }
    wr_buf_fmt(error, "cannot listen on %s (%s): %s", at->text, wr_listen_kind_name(at->kind), strerror(-rc));
    if (rc == -EADDRINUSE)
        wr_buf_str(error, "; another program has the port: stop it, or choose another under `listen`");
    else if (rc == -EACCES)
        wr_buf_str(error, "; ports below 1024 need CAP_NET_BIND_SERVICE");
    return WR_EIO;
}

static enum wr_err open_listeners(struct wr_worker *w, struct wr_buf *error)
{
    /* The first worker looks for strangers; the others share its ports on purpose. */
    for (uint32_t i = 0; w->index == 0 && i < w->config->nlisten; i++) {
        const struct wr_listen *at = &w->config->listen[i];
        if (wr_listen_is_port(at->kind) &&
            wr_socket_taken(is_udp(at) ? SOCK_DGRAM : SOCK_STREAM, &at->addr, at->addr_len))
            return cannot_listen(at, -EADDRINUSE, error);
    }
    for (uint32_t i = 0; i < w->config->nlisten; i++) {
        struct wr_listener *l = &w->listeners[w->nlisteners++];
        *l = (struct wr_listener){.worker = w, .at = &w->config->listen[i], .udp = {.fd = -1}};
        int rc = 0;
        l->open = wr_listen_is_port(l->at->kind);
        if (l->open)
            rc = is_udp(l->at) ? wr_ingest_udp_open(l) : wr_ingest_tcp_open(l);
        else if (l->at->kind == WR_LISTEN_STDIN && w->index == 0) /* there is one */
            rc = wr_ingest_stdin_open(l);
        l->open &= rc == 0;
        if (rc != 0)
            return cannot_listen(l->at, rc, error);
    }
    return WR_OK;
}

int wr_workers_steer(struct wr_worker *workers, uint32_t n)
{
    const struct wr_worker *first =
        &workers[0]; /* its sockets were bound first: they are number 0 of their groups */
    int rc = 0;
    for (uint32_t i = 0; n > 1 && !rc && i < first->nlisteners; i++) {
        const struct wr_listener *l = &first->listeners[i];
        if (l->at->kind == WR_LISTEN_FLOW_UDP)
            rc = first->io->udp_steer(first->io->ctx, &l->udp, n, first->config->split_exporters);
    }
    return rc;
}

static enum wr_err make_batches(const struct wr_worker *w, const struct wr_wants *wants, struct wr_rows *ret)
{
    *ret = (struct wr_rows){{0}};
    for (int t = 0; t < WR_NTABLES; t++) {
        bool events = t == WR_TABLE_DEVICE_NETWORK_EVENTS && wants->conn;
        if (!events && !wr_wants_rows(wants, (enum wr_table)t))
            continue;
        ret->of[t] = wr_batch_new(wr_schema_of((enum wr_table)t),
                                  events ? &wants->event_cols : &wants->scan[t].wanted,
                                  w->config->batch_rows < STAGE_ROWS ? w->config->batch_rows : STAGE_ROWS);
        if (!ret->of[t]) {
            wr_rows_free(ret);
            return WR_ENOMEM;
        }
    }
    return WR_OK;
}

/* What of flow records goes on, and in which form. */
static void set_flow_form(struct wr_worker *worker, const struct wr_wants *wants, uint64_t **conn_ports)
{
    const bool blocks = wr_wants_rows(wants, WR_TABLE_FLOWS) && (!wants->conn || wants->conn_ports);
    wr_flow_decoder_who(worker->decoder, wants->who);
    worker->flow_parts = blocks ? wr_block_parts(&wants->scan[WR_TABLE_FLOWS].wanted) : 0;
    uint64_t *old = worker->conn_ports;
    worker->conn_ports = *conn_ports;
    *conn_ports = old;
}

enum wr_err wr_worker_wants(struct wr_worker *worker, const struct wr_wants *wants)
{
    struct wr_rows rows;
    uint64_t *ports = wants->conn_ports ? malloc(WR_CONN_PORTS_BYTES) : NULL;
    enum wr_err err = wants->conn_ports && !ports ? WR_ENOMEM : make_batches(worker, wants, &rows);
    if (err) {
        free(ports);
        return err;
    }
    if (ports)
        memcpy(ports, wants->conn_ports, WR_CONN_PORTS_BYTES);
    pthread_mutex_lock(&worker->lock);
    wr_worker_flush(worker);
    err = wr_log_scan(worker->log, WR_TABLE_DEVICE_NETWORK_EVENTS, &wants->events);
    for (int t = 0; t < WR_NTABLES && !err; t++)
        if (wr_wants_rows(wants, (enum wr_table)t))
            err = wr_log_scan(worker->log, (enum wr_table)t, &wants->scan[t]);
    if (!err)
        err = wr_flow_decoder_scan(worker->decoder, &wants->records);
    if (!err) {
        bool mail = wr_wants_rows(wants, WR_TABLE_SMTP_MESSAGES);
        err = wr_flow_decoder_mail(worker->decoder, mail ? &wants->scan[WR_TABLE_SMTP_MESSAGES].wanted : NULL);
    }
    if (!err) {
        set_flow_form(worker, wants, &ports);
        struct wr_rows old = worker->rows;
        worker->rows = rows;
        worker->broken = false;
        rows = old;
    }
    wr_worker_tell(worker);
    pthread_mutex_unlock(&worker->lock);
    wr_rows_free(&rows);
    free(ports);
    return err;
}

static void init_handles(struct wr_worker *w)
{
    uv_async_init(&w->loop, &w->wake, on_wake);
    uv_timer_init(&w->loop, &w->resume);
    uv_timer_init(&w->loop, &w->sweep);
    w->wake.data = w->resume.data = w->sweep.data = w;
}

enum wr_err wr_worker_init(struct wr_worker *worker, const struct wr_io *io, const struct wr_config *config,
                           uint32_t index, const struct wr_wants *wants, uv_async_t *owner,
                           struct wr_streams *all_streams, struct wr_buf *error)
{
    *worker = (struct wr_worker){
        .io = io, .config = config, .index = index, .owner = owner, .all_streams = all_streams};
    if (uv_loop_init(&worker->loop) != 0) {
        wr_buf_fmt(error, "cannot start worker %u: no event loop", (unsigned)index);
        worker->owner = NULL;
        return WR_ENOMEM;
    }
    pthread_mutex_init(&worker->lock, NULL);
    init_handles(worker);
    struct wr_flow_decoder_opts flow = {.model = config->model, .memory_bytes = config->memory_bytes / 8 / config->workers,
                                        .listed = config->exporters, .nlisted = config->nexporters,
                                        .rates = config->rates, .nrates = config->nrates,
                                        .hosts = config->hosts};
    struct wr_log_opts log = {.live = true, .mappings = config->mappings, .lookups = config->lookups};
    worker->ring = wr_ring_new(RING_BYTES);
    worker->decoder = wr_flow_decoder_new(&flow);
    worker->log = wr_log_new(&log);
    enum wr_err err = worker->ring && worker->decoder && worker->log ? WR_OK : WR_ENOMEM;
    if (!err)
        err = wr_worker_wants(worker, wants);
    if (err)
        wr_buf_fmt(error, "cannot start worker %u: %s", (unsigned)index, wr_strerror(err));
    else
        err = wr_tee_new(config, &worker->tee, error);
    if (!err)
        err = open_listeners(worker, error);
    if (err)
        wr_worker_fini(worker);
    return err;
}

void wr_worker_fini(struct wr_worker *worker)
{
    if (!worker->owner)
        return;
    if (worker->started) {
        if (!atomic_load(&worker->stop))
            wr_worker_stop(worker);
        uv_thread_join(&worker->thread);
    } else { /* its handles were made but never ran */
        atomic_store(&worker->stop, true);
        on_wake(&worker->wake);
        uv_run(&worker->loop, UV_RUN_DEFAULT);
    }
    uv_loop_close(&worker->loop);
    wr_flow_decoder_free(worker->decoder);
    wr_log_free(worker->log);
    wr_tee_free(worker->tee);
    wr_tail_free(worker->tail);
    wr_flow_vec_fini(&worker->flows);
    free(worker->conn_ports);
    wr_rows_free(&worker->rows);
    wr_buf_fini(&worker->packed);
    wr_buf_fini(&worker->inbox);
    wr_ring_free(worker->ring);
    pthread_mutex_destroy(&worker->lock);
    *worker = (struct wr_worker){0};
}
