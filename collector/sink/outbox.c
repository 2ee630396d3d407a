/* The store's outbox: receivers, chunks, acknowledgements, retention. */
#include "collector/sink/store_internal.h"

#include <string.h>

enum { TRIM_ALERTS = 10000 };

/* ---- receivers ---- */

static bool is_configured(const char *name, const char *const *names, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* The first receiver that is not in `names`; 0 when there is none. */
static enum wr_err unconfigured(struct wr_store *store, const char *const *names, uint32_t n, int64_t *ret_id)
{
    sqlite3_stmt *stmt = wr_store_stmt(store, WR_STORE_RECEIVERS);
    if (!stmt)
        return WR_EIO;
    *ret_id = 0;
    int rc;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && !*ret_id) {
        const char *name = (const char *)sqlite3_column_text(stmt, 1);
        if (!name || !is_configured(name, names, n))
            *ret_id = sqlite3_column_int64(stmt, 0);
    }
    enum wr_err err =
        rc == SQLITE_ROW || rc == SQLITE_DONE ? WR_OK : wr_store_fail(store, "cannot read receivers");
    sqlite3_reset(stmt);
    return err;
}

static enum wr_err run_with(struct wr_store *store, enum wr_store_statement which, int64_t v)
{
    sqlite3_stmt *stmt = wr_store_stmt(store, which);
    if (stmt)
        sqlite3_bind_int64(stmt, 1, v);
    return wr_store_run(store, stmt);
}

static enum wr_err drop_others(struct wr_store *store, const char *const *names, uint32_t n)
{
    for (;;) {
        int64_t id;
        enum wr_err err = unconfigured(store, names, n, &id);
        if (err || !id)
            return err;
        err = run_with(store, WR_STORE_CHUNKS_DROP, id);
        if (!err)
            err = run_with(store, WR_STORE_RECEIVER_DROP, id);
        if (err)
            return err;
    }
}

/* One integer of a query whose first parameter is `v`. */
static enum wr_err ask_with(struct wr_store *store, enum wr_store_statement which, int64_t v, int64_t *ret)
{
    sqlite3_stmt *stmt = wr_store_stmt(store, which);
    if (!stmt)
        return WR_EIO;
    if (sqlite3_bind_parameter_count(stmt))
        sqlite3_bind_int64(stmt, 1, v);
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *ret = sqlite3_column_int64(stmt, 0);
    enum wr_err err = rc == SQLITE_ROW    ? WR_OK
                      : rc == SQLITE_DONE ? WR_ENOENT
                                          : wr_store_fail(store, "cannot read");
    sqlite3_reset(stmt);
    return err;
}

static enum wr_err add_receiver(struct wr_store *store, const char *name, int64_t *ret_id)
{
    sqlite3_stmt *add = wr_store_stmt(store, WR_STORE_RECEIVER_ADD);
    if (add)
        sqlite3_bind_text(add, 1, name, -1, SQLITE_STATIC);
    enum wr_err err = wr_store_run(store, add);
    sqlite3_stmt *find = err ? NULL : wr_store_stmt(store, WR_STORE_RECEIVER_ID);
    if (!find)
        return err ? err : WR_EIO;
    sqlite3_bind_text(find, 1, name, -1, SQLITE_STATIC);
    if (sqlite3_step(find) == SQLITE_ROW)
        *ret_id = sqlite3_column_int64(find, 0);
    else
        err = wr_store_fail(store, "cannot read receivers");
    sqlite3_reset(find);
    return err;
}

enum wr_err wr_store_receivers(struct wr_store *store, const char *const *names, uint32_t n, int64_t *ret_ids)
{
    enum wr_err err = wr_store_begin(store, true);
    if (err)
        return err;
    err = drop_others(store, names, n);
    for (uint32_t i = 0; i < n && !err; i++)
        err = add_receiver(store, names[i], &ret_ids[i]);
    return wr_store_end(store, err);
}

/* ---- chunks ---- */

/* Bounds of what comes next; *ret_alerts is 0 when there is nothing. */
static enum wr_err next_bounds(struct wr_store *store, int64_t receiver, uint32_t max_bytes,
                               uint32_t max_alerts, struct wr_chunk *chunk, uint32_t *ret_alerts)
{
    sqlite3_stmt *stmt = wr_store_stmt(store, WR_STORE_UNTAKEN);
    if (!stmt)
        return WR_EIO;
    sqlite3_bind_int64(stmt, 1, receiver);
    sqlite3_bind_int64(stmt, 2, max_alerts ? max_alerts : 1);
    uint64_t bytes = 0;
    uint32_t n = 0;
    int rc;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        bytes += (uint64_t)sqlite3_column_int64(stmt, 1);
        if (n && bytes > max_bytes)
            break;
        chunk->last = sqlite3_column_int64(stmt, 0);
        if (!n++)
            chunk->first = chunk->last;
    }
    enum wr_err err = rc == SQLITE_ROW || rc == SQLITE_DONE ? WR_OK : wr_store_fail(store, "cannot read");
    sqlite3_reset(stmt);
    *ret_alerts = n;
    return err;
}

static enum wr_err write_chunk(struct wr_store *store, int64_t receiver, struct wr_chunk *chunk)
{
    sqlite3_stmt *add = wr_store_stmt(store, WR_STORE_CHUNK_ADD);
    if (add) {
        sqlite3_bind_int64(add, 1, receiver);
        sqlite3_bind_int64(add, 2, chunk->first);
        sqlite3_bind_int64(add, 3, chunk->last);
    }
    enum wr_err err = wr_store_run(store, add);
    if (err)
        return err;
    chunk->id = sqlite3_last_insert_rowid(store->db);
    sqlite3_stmt *taken = wr_store_stmt(store, WR_STORE_TAKEN);
    if (taken) {
        sqlite3_bind_int64(taken, 1, receiver);
        sqlite3_bind_int64(taken, 2, chunk->last);
    }
    return wr_store_run(store, taken);
}

enum wr_err wr_store_take(struct wr_store *store, int64_t receiver, uint32_t max_bytes, uint32_t max_alerts,
                          struct wr_chunk *ret_chunk)
{
    struct wr_chunk chunk = {0};
    uint32_t n;
    enum wr_err err = next_bounds(store, receiver, max_bytes, max_alerts, &chunk, &n);
    if (err || !n)
        return err ? err : WR_ENOENT;
    err = wr_store_begin(store, false);
    if (err)
        return err;
    err = wr_store_end(store, write_chunk(store, receiver, &chunk));
    if (err)
        return err;
    store->stats.taken += n;
    *ret_chunk = chunk;
    return WR_OK;
}

enum wr_err wr_store_chunk(struct wr_store *store, int64_t receiver, int64_t after_id,
                           struct wr_chunk *ret_chunk)
{
    sqlite3_stmt *stmt = wr_store_stmt(store, WR_STORE_CHUNK_NEXT);
    if (!stmt)
        return WR_EIO;
    sqlite3_bind_int64(stmt, 1, receiver);
    sqlite3_bind_int64(stmt, 2, after_id);
    int rc = sqlite3_step(stmt);
    enum wr_err err = WR_ENOENT;
    if (rc == SQLITE_ROW) {
        *ret_chunk = (struct wr_chunk){sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1),
                                       sqlite3_column_int64(stmt, 2)};
        err = WR_OK;
    } else if (rc != SQLITE_DONE) {
        err = wr_store_fail(store, "cannot read");
    }
    sqlite3_reset(stmt);
    return err;
}

enum wr_err wr_store_read(struct wr_store *store, const struct wr_chunk *chunk, enum wr_store_form form,
                          struct wr_buf *out, uint32_t *ret_alerts)
{
    sqlite3_stmt *stmt =
        wr_store_stmt(store, form == WR_STORE_ENTRIES ? WR_STORE_GET_ENTRIES : WR_STORE_GET_LINES);
    if (!stmt)
        return WR_EIO;
    sqlite3_bind_int64(stmt, 1, chunk->first);
    sqlite3_bind_int64(stmt, 2, chunk->last);
    uint32_t n = 0;
    int rc;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const void *bytes = sqlite3_column_blob(stmt, 0);
        wr_buf_add(out, bytes, (size_t)sqlite3_column_bytes(stmt, 0));
        if (form == WR_STORE_LINES)
            wr_buf_char(out, '\n');
        n++;
    }
    enum wr_err err = rc == SQLITE_DONE ? out->err : wr_store_fail(store, "cannot read");
    sqlite3_reset(stmt);
    *ret_alerts = n;
    return err;
}

enum wr_err wr_store_ack(struct wr_store *store, int64_t chunk_id)
{
    int64_t n = 0;
    enum wr_err err = ask_with(store, WR_STORE_CHUNK_COUNT, chunk_id, &n);
    if (!err)
        err = wr_store_begin(store, false);
    if (err)
        return err;
    err = wr_store_end(store, run_with(store, WR_STORE_CHUNK_DONE, chunk_id));
    if (!err)
        store->stats.acknowledged += (uint64_t)n;
    return err;
}

enum wr_err wr_store_pending(struct wr_store *store, int64_t receiver, uint64_t *ret_alerts)
{
    int64_t n = 0;
    enum wr_err err = ask_with(store, WR_STORE_PENDING, receiver, &n);
    *ret_alerts = (uint64_t)n;
    return err;
}

/* ---- retention ---- */

/* The newest n that may go: a prefix of the table, so that one comparison deletes it. 0 = nothing. */
static enum wr_err trim_bound(struct wr_store *store, const struct wr_store_limits *limits, int64_t now_ticks,
                              int64_t *ret_bound, uint64_t *ret_forgotten)
{
    int64_t delivered = 0, total = 0;
    enum wr_err err = ask_with(store, WR_STORE_DELIVERED, 0, &delivered);
    if (!err)
        err = ask_with(store, WR_STORE_ALERTS, 0, &total);
    sqlite3_stmt *stmt = err ? NULL : wr_store_stmt(store, WR_STORE_OLDEST);
    if (!stmt)
        return err ? err : WR_EIO;
    sqlite3_bind_int64(stmt, 1, TRIM_ALERTS);
    uint64_t left = (uint64_t)total;
    int rc;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        int64_t n = sqlite3_column_int64(stmt, 0), age = now_ticks - sqlite3_column_int64(stmt, 1);
        bool old = limits->max_age_ticks && age > limits->max_age_ticks;
        bool many = limits->max_alerts && left > limits->max_alerts;
        bool flood = limits->max_alerts_undelivered && left > limits->max_alerts_undelivered;
        if (!(flood || (n <= delivered && (old || many))))
            break;
        *ret_bound = n;
        left--;
    }
    *ret_forgotten = (uint64_t)total - left;
    err = rc == SQLITE_ROW || rc == SQLITE_DONE ? WR_OK : wr_store_fail(store, "cannot read");
    sqlite3_reset(stmt);
    return err;
}

enum wr_err wr_store_trim(struct wr_store *store, const struct wr_store_limits *limits, int64_t now_ticks,
                          uint64_t *ret_forgotten, uint64_t *ret_dead)
{
    int64_t bound = 0, dead = 0;
    uint64_t forgotten = 0;
    *ret_forgotten = *ret_dead = 0;
    enum wr_err err = trim_bound(store, limits, now_ticks, &bound, &forgotten);
    if (err || !bound)
        return err;
    err = wr_store_begin(store, false);
    if (err)
        return err;
    static const enum wr_store_statement steps[] = {WR_STORE_DEAD_TAKEN, WR_STORE_DEAD_CHUNKS,
                                                    WR_STORE_FORGET};
    err = ask_with(store, WR_STORE_DEAD, bound, &dead);
    for (size_t i = 0; i < sizeof steps / sizeof *steps && !err; i++)
        err = run_with(store, steps[i], bound);
    err = wr_store_end(store, err);
    if (err)
        return err;
    *ret_forgotten = forgotten;
    *ret_dead = (uint64_t)dead;
    store->stats.forgotten += forgotten;
    store->stats.dead += (uint64_t)dead;
    return WR_OK;
}
