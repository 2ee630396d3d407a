/* Shared by store.c and outbox.c only. */
#ifndef WR_COLLECTOR_SINK_STORE_INTERNAL_H
#define WR_COLLECTOR_SINK_STORE_INTERNAL_H

#include "collector/sink/store.h"

#include <sqlite3.h>

/* Of the alerts after ?1 and since ?2 the last version, or with ?3 every version. */
#define WR_STORE_WANTED                                                                                      \
    " WHERE n>?1 AND raised_at>=?2 AND (?3 OR NOT EXISTS"                                                    \
    "(SELECT 1 FROM alert AS later WHERE later.id=alert.id AND later.seq>alert.seq))"

/* The statements, prepared on first use: X(name, sql). */
#define WR_STORE_STATEMENTS(X)                                                                               \
    X(BEGIN, "BEGIN IMMEDIATE")                                                                              \
    X(COMMIT, "COMMIT")                                                                                      \
    X(ROLLBACK, "ROLLBACK")                                                                                  \
    X(PUT, "INSERT OR IGNORE INTO alert(id,seq,raised_at,rule,severity,kind,json,entry)"                     \
           " VALUES(?1,?2,?3,?4,?5,?6,?7,?8)")                                                               \
    X(HISTORY, "SELECT n,json FROM (SELECT n,json FROM alert" WR_STORE_WANTED " ORDER BY n DESC LIMIT ?4)"   \
               " ORDER BY n")                                                                                \
    X(FOLLOW, "SELECT n,json FROM alert" WR_STORE_WANTED " ORDER BY n")                                      \
    X(RECEIVERS, "SELECT id,name FROM receiver")                                                             \
    X(RECEIVER_ADD, "INSERT INTO receiver(name,taken)"                                                       \
                    " SELECT ?1,coalesce((SELECT seq FROM sqlite_sequence WHERE name='alert'),0)"            \
                    " WHERE NOT EXISTS(SELECT 1 FROM receiver WHERE name=?1)")                               \
    X(RECEIVER_ID, "SELECT id FROM receiver WHERE name=?1")                                                  \
    X(RECEIVER_DROP, "DELETE FROM receiver WHERE id=?1")                                                     \
    X(CHUNKS_DROP, "DELETE FROM chunk WHERE receiver=?1")                                                    \
    X(UNTAKEN, "SELECT n,length(entry) FROM alert"                                                           \
               " WHERE n>(SELECT taken FROM receiver WHERE id=?1) ORDER BY n LIMIT ?2")                      \
    X(CHUNK_ADD, "INSERT INTO chunk(receiver,first,last) VALUES(?1,?2,?3)")                                  \
    X(TAKEN, "UPDATE receiver SET taken=?2 WHERE id=?1")                                                     \
    X(CHUNK_NEXT, "SELECT id,first,last FROM chunk WHERE receiver=?1 AND id>?2 ORDER BY id LIMIT 1")         \
    X(GET_ENTRIES, "SELECT entry FROM alert WHERE n BETWEEN ?1 AND ?2 ORDER BY n")                           \
    X(GET_LINES, "SELECT json FROM alert WHERE n BETWEEN ?1 AND ?2 ORDER BY n")                              \
    X(CHUNK_COUNT, "SELECT count(*) FROM alert, chunk WHERE chunk.id=?1 AND n BETWEEN first AND last")       \
    X(CHUNK_DONE, "DELETE FROM chunk WHERE id=?1")                                                           \
    X(PENDING, "SELECT (SELECT count(*) FROM alert WHERE n>(SELECT taken FROM receiver WHERE id=?1))"        \
               "+(SELECT count(*) FROM chunk, alert WHERE receiver=?1 AND n BETWEEN first AND last)")        \
    X(DELIVERED, "SELECT min((SELECT coalesce(min(taken),9223372036854775807) FROM receiver),"               \
                 "(SELECT coalesce(min(first)-1,9223372036854775807) FROM chunk))")                          \
    X(ALERTS, "SELECT count(*) FROM alert")                                                                  \
    X(OLDEST, "SELECT n,raised_at FROM alert ORDER BY n LIMIT ?1")                                           \
    X(DEAD, "SELECT count(*) FROM alert WHERE n<=?1 AND (n>(SELECT min(taken) FROM receiver)"                \
            " OR EXISTS(SELECT 1 FROM chunk WHERE alert.n BETWEEN first AND last))")                         \
    X(FORGET, "DELETE FROM alert WHERE n<=?1")                                                               \
    X(DEAD_TAKEN, "UPDATE receiver SET taken=?1 WHERE taken<?1")                                             \
    X(DEAD_CHUNKS, "DELETE FROM chunk WHERE last<=?1")

enum wr_store_statement {
#define X(name, sql) WR_STORE_##name,
    WR_STORE_STATEMENTS(X)
#undef X
        WR_STORE_NSTATEMENTS
};

struct wr_store {
    sqlite3 *db;
    int lock_fd;
    enum wr_store_mode mode;
    sqlite3_stmt *stmt[WR_STORE_NSTATEMENTS];
    char *path;
    struct wr_buf error;
    struct wr_buf json, entry; /* of the alert that is being put */
    int synced;                /* as last set: -1 not yet */
    struct wr_store_stats stats;
};

/* A statement, reset and without bindings; NULL when it cannot be prepared (the error is set). */
sqlite3_stmt *wr_store_stmt(struct wr_store *store, enum wr_store_statement which);
/* Runs a statement that gives no rows. */
enum wr_err wr_store_run(struct wr_store *store, sqlite3_stmt *stmt);
/* Sets the error text from the connection and gives its code. */
enum wr_err wr_store_fail(struct wr_store *store, const char *doing);
/* A write transaction; `synced` says whether the commit waits for the disk. */
enum wr_err wr_store_begin(struct wr_store *store, bool synced);
/* Commits when `err` is WR_OK, else rolls back; gives what came of it. */
enum wr_err wr_store_end(struct wr_store *store, enum wr_err err);

#endif
