#include "collector/sink/store_internal.h"

#include "collector/sink/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    APPLICATION_ID = 0x77656972, /* "weir" */
    SCHEMA_VERSION = 1,
    QUICK_CHECK_BYTES = 64 << 20, /* above that the check would hold up the start: about 0.3 s here */
    BUSY_MS = 5000
};

static const char SCHEMA[] =
    "CREATE TABLE alert(n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, seq INTEGER NOT NULL,"
    " raised_at INTEGER NOT NULL, rule TEXT NOT NULL, severity TEXT, kind INTEGER NOT NULL,"
    " json TEXT NOT NULL, entry BLOB NOT NULL, UNIQUE(id, seq)) STRICT;"
    "CREATE TABLE receiver(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,"
    " taken INTEGER NOT NULL) STRICT;"
    "CREATE TABLE chunk(id INTEGER PRIMARY KEY AUTOINCREMENT, receiver INTEGER NOT NULL,"
    " first INTEGER NOT NULL, last INTEGER NOT NULL) STRICT;"
    "CREATE INDEX chunk_of ON chunk(receiver, id);"
    "PRAGMA application_id=2003134834; PRAGMA user_version=1;";

static const char *const SQL[] = {
#define X(name, sql) sql,
    WR_STORE_STATEMENTS(X)
#undef X
};

/* ---- errors and statements ---- */

static enum wr_err code_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_NOMEM:
        return WR_ENOMEM;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return WR_ECORRUPT;
    default:
        return WR_EIO;
    }
}

static const char *remedy_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return "; move the file away to start with an empty store (sqlite3 FILE .recover may save its "
               "alerts)";
    case SQLITE_FULL:
        return "; the disk is full: free some space";
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return "; check owner and permissions of the file and of its folder";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return "; another program holds it: end that one";
    default:
        return "";
    }
}

enum wr_err wr_store_fail(struct wr_store *store, const char *doing)
{
    int rc = sqlite3_extended_errcode(store->db);
    wr_buf_reset(&store->error);
    wr_buf_fmt(&store->error, "%s: %s: %s%s", store->path, doing, sqlite3_errmsg(store->db), remedy_of(rc));
    wr_buf_char(&store->error, '\0');
    return code_of(rc);
}

static enum wr_err fail_text(struct wr_store *store, enum wr_err err, const char *text)
{
    wr_buf_reset(&store->error);
    wr_buf_fmt(&store->error, "%s: %s", store->path, text);
    wr_buf_char(&store->error, '\0');
    return err;
}

const char *wr_store_error(const struct wr_store *store)
{
    return store->error.len && !store->error.err ? store->error.data : "out of memory";
}

sqlite3_stmt *wr_store_stmt(struct wr_store *store, enum wr_store_statement which)
{
    sqlite3_stmt **stmt = &store->stmt[which];
    if (!*stmt) {
        if (sqlite3_prepare_v3(store->db, SQL[which], -1, SQLITE_PREPARE_PERSISTENT, stmt, NULL) !=
            SQLITE_OK) {
            wr_store_fail(store, "cannot prepare a statement");
            return NULL;
        }
        return *stmt;
    }
    sqlite3_reset(*stmt);
    sqlite3_clear_bindings(*stmt);
    return *stmt;
}

enum wr_err wr_store_run(struct wr_store *store, sqlite3_stmt *stmt)
{
    if (!stmt)
        return WR_EIO; /* the text is there already */
    int rc = sqlite3_step(stmt);
    enum wr_err err = rc == SQLITE_DONE || rc == SQLITE_ROW ? WR_OK : wr_store_fail(store, "cannot write");
    sqlite3_reset(stmt);
    return err;
}

static enum wr_err run(struct wr_store *store, enum wr_store_statement which)
{
    return wr_store_run(store, wr_store_stmt(store, which));
}

enum wr_err wr_store_begin(struct wr_store *store, bool synced)
{
    /* not a prepared statement: SQLite obeys this pragma when it compiles it */
    const char *pragma = synced ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL";
    if (store->synced != synced && sqlite3_exec(store->db, pragma, NULL, NULL, NULL) != SQLITE_OK)
        return wr_store_fail(store, "cannot set how commits are synced");
    store->synced = synced;
    return run(store, WR_STORE_BEGIN);
}

enum wr_err wr_store_end(struct wr_store *store, enum wr_err err)
{
    if (!err)
        err = run(store, WR_STORE_COMMIT);
    if (err && !sqlite3_get_autocommit(store->db)) { /* a full disk may have rolled back by itself */
        sqlite3_stmt *back = wr_store_stmt(store, WR_STORE_ROLLBACK);
        if (back) {
            sqlite3_step(back); /* the first failure's text is the one to keep */
            sqlite3_reset(back);
        }
    }
    return err;
}

/* ---- opening ---- */

/* One integer that `sql` gives; -1 on failure. */
static int64_t ask(struct wr_store *store, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    int64_t v = -1;
    if (sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
        v = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return v;
}

static enum wr_err check_content(struct wr_store *store)
{
    struct stat st;
    if (stat(store->path, &st) != 0 || st.st_size > QUICK_CHECK_BYTES)
        return WR_OK;
    sqlite3_stmt *stmt = NULL;
    bool good = sqlite3_prepare_v2(store->db, "PRAGMA quick_check(1)", -1, &stmt, NULL) == SQLITE_OK &&
                sqlite3_step(stmt) == SQLITE_ROW &&
                strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") == 0;
    sqlite3_finalize(stmt);
    return good ? WR_OK
                : fail_text(store, WR_ECORRUPT,
                            "the database is damaged; move the file away to start with an empty store "
                            "(sqlite3 FILE .recover may save its alerts)");
}

static enum wr_err check_schema(struct wr_store *store)
{
    int64_t version = ask(store, "PRAGMA user_version");
    int64_t tables = ask(store, "SELECT count(*) FROM sqlite_master");
    if (version < 0 || tables < 0)
        return wr_store_fail(store, "cannot read");
    if (version == 0 && tables == 0) {
        if (store->mode == WR_STORE_READ)
            return fail_text(store, WR_ENOENT, "no alerts yet: the store is empty");
        enum wr_err err = wr_store_begin(store, true);
        if (!err && sqlite3_exec(store->db, SCHEMA, NULL, NULL, NULL) != SQLITE_OK)
            err = wr_store_fail(store, "cannot create the tables");
        return wr_store_end(store, err);
    }
    if (ask(store, "PRAGMA application_id") != APPLICATION_ID)
        return fail_text(store, WR_ECORRUPT, "is another program's database; name another file");
    if (version != SCHEMA_VERSION)
        return fail_text(store, WR_EUNSUPPORTED,
                         "was written by a newer weir; run that one, or move the file away");
    return check_content(store);
}

/* Two daemons on one store would both deliver the same chunks. */
static enum wr_err lock_owner(struct wr_store *store)
{
    struct wr_buf path = {0};
    wr_buf_fmt(&path, "%s.lock", store->path);
    wr_buf_char(&path, '\0');
    if (path.err)
        return WR_ENOMEM;
    store->lock_fd = open(path.data, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    int why = errno;
    wr_buf_fini(&path);
    if (store->lock_fd < 0) {
        wr_buf_reset(&store->error);
        wr_buf_fmt(&store->error, "%s.lock: %s; check that the folder is there and that weir may write in it",
                   store->path, strerror(why));
        wr_buf_char(&store->error, '\0');
        return why == ENOENT ? WR_ENOENT : WR_EIO;
    }
    if (flock(store->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return fail_text(store, WR_EIO,
                         "is in use by another weir; stop that one, or set another state folder");
    /* SQLite would create it with the umask's mode; alerts are not for everybody */
    int fd = open(store->path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd >= 0)
        close(fd);
    return WR_OK;
}

static enum wr_err open_database(struct wr_store *store)
{
    bool own = store->mode == WR_STORE_OWN;
    if (!own && access(store->path, F_OK) != 0 && errno == ENOENT)
        return fail_text(store, WR_ENOENT, "no such file; weir run makes it when it starts");
    enum wr_err err = own ? lock_owner(store) : WR_OK;
    if (err)
        return err;
    int flags =
        (own ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY) | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(store->path, &store->db, flags, NULL) != SQLITE_OK)
        return store->db ? wr_store_fail(store, "cannot open") : WR_ENOMEM;
    sqlite3_busy_timeout(store->db, BUSY_MS);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (own && sqlite3_exec(store->db, "PRAGMA journal_mode=WAL", NULL, NULL, NULL) != SQLITE_OK)
        return wr_store_fail(store, "cannot open");
    return check_schema(store);
}

enum wr_err wr_store_open(const char *path, enum wr_store_mode mode, struct wr_buf *error,
                          struct wr_store **ret_store)
{
    *ret_store = NULL;
    struct wr_store *store = calloc(1, sizeof *store);
    if (!store)
        return WR_ENOMEM;
    store->lock_fd = store->synced = -1;
    store->mode = mode;
    store->path = strdup(path);
    enum wr_err err = store->path ? open_database(store) : WR_ENOMEM;
    if (err) {
        if (error)
            wr_buf_str(error, wr_store_error(store));
        wr_store_close(store);
        return err;
    }
    *ret_store = store;
    return WR_OK;
}

void wr_store_close(struct wr_store *store)
{
    if (!store)
        return;
    for (size_t i = 0; i < WR_STORE_NSTATEMENTS; i++)
        sqlite3_finalize(store->stmt[i]);
    sqlite3_close(store->db);
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    wr_buf_fini(&store->error);
    wr_buf_fini(&store->json);
    wr_buf_fini(&store->entry);
    free(store->path);
    free(store);
}

/* ---- putting and reading ---- */

/* An alert whose JSON cannot become a record (a dynamic column that is no JSON) is delivered as text. */
static enum wr_err entry_as_text(struct wr_store *store, const struct wr_alert *alert)
{
    struct wr_buf json = {0};
    wr_buf_char(&json, '{');
    wr_json_key(&json, "alert_id");
    wr_json_cstr(&json, alert->id);
    wr_json_key(&json, "seq");
    wr_buf_i64(&json, alert->seq);
    wr_json_key(&json, "message");
    wr_json_str(&json, store->json.data, store->json.len);
    wr_buf_char(&json, '}');
    enum wr_err err =
        json.err ? json.err : wr_record_entry(alert->raised_at, json.data, json.len, &store->entry);
    wr_buf_fini(&json);
    return err;
}

static enum wr_err put_one(struct wr_store *store, const struct wr_alert *alert)
{
    wr_buf_reset(&store->json);
    wr_buf_reset(&store->entry);
    wr_alert_json(alert, &store->json);
    if (store->json.err)
        return store->json.err;
    enum wr_err err = wr_record_entry(alert->raised_at, store->json.data, store->json.len, &store->entry);
    if (err == WR_EINVAL)
        err = entry_as_text(store, alert);
    if (err)
        return err;
    sqlite3_stmt *put = wr_store_stmt(store, WR_STORE_PUT);
    if (!put)
        return WR_EIO;
    sqlite3_bind_text(put, 1, alert->id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(put, 2, alert->seq);
    sqlite3_bind_int64(put, 3, alert->raised_at);
    sqlite3_bind_text(put, 4, alert->rule_id ? alert->rule_id : "", -1, SQLITE_STATIC);
    sqlite3_bind_text(put, 5, alert->severity, -1, SQLITE_STATIC);
    sqlite3_bind_int(put, 6, (int)alert->kind);
    sqlite3_bind_text64(put, 7, store->json.data, store->json.len, SQLITE_STATIC, SQLITE_UTF8);
    sqlite3_bind_blob64(put, 8, store->entry.data, store->entry.len, SQLITE_STATIC);
    return wr_store_run(store, put);
}

enum wr_err wr_store_put(struct wr_store *store, const struct wr_alert *list, uint32_t *ret_new)
{
    enum wr_err err = wr_store_begin(store, true);
    if (err)
        return err;
    uint32_t added = 0, known = 0;
    for (const struct wr_alert *alert = list; alert && !err; alert = alert->next) {
        err = put_one(store, alert);
        if (!err && sqlite3_changes(store->db))
            added++;
        else
            known++;
    }
    if (err == WR_ENOMEM)
        fail_text(store, err, "out of memory");
    err = wr_store_end(store, err);
    if (err)
        return err;
    store->stats.put += added;
    store->stats.known += known;
    if (ret_new)
        *ret_new = added;
    return WR_OK;
}

enum wr_err wr_store_history(struct wr_store *store, const struct wr_store_query *query, wr_store_each each,
                             void *arg)
{
    sqlite3_stmt *stmt = wr_store_stmt(store, query->limit ? WR_STORE_HISTORY : WR_STORE_FOLLOW);
    if (!stmt)
        return WR_EIO;
    sqlite3_bind_int64(stmt, 1, query->after_n);
    sqlite3_bind_int64(stmt, 2, query->since_ticks);
    sqlite3_bind_int(stmt, 3, query->all_versions);
    if (query->limit)
        sqlite3_bind_int64(stmt, 4, query->limit);
    int rc;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *json = (const char *)sqlite3_column_text(stmt, 1);
        if (!each(arg, sqlite3_column_int64(stmt, 0), json ? json : "",
                  (size_t)sqlite3_column_bytes(stmt, 1)))
            break;
    }
    enum wr_err err = rc == SQLITE_ROW || rc == SQLITE_DONE ? WR_OK : wr_store_fail(store, "cannot read");
    sqlite3_reset(stmt);
    return err;
}

struct wr_store_stats wr_store_stats(const struct wr_store *store)
{
    return store->stats;
}
