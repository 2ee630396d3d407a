#include "alerts.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const char *path;
static struct wr_store *store;

static void setup(void)
{
    path = temp_path("alerts.db");
    store = store_at(path);
}

static void teardown(void)
{
    wr_store_close(store);
    temp_remove(path);
}

TestSuite(store, .init = setup, .fini = teardown);

static struct wr_chunk take(int64_t receiver, uint32_t max_alerts)
{
    struct wr_chunk chunk;
    cr_assert_eq(wr_store_take(store, receiver, 1000000, max_alerts, &chunk), WR_OK);
    return chunk;
}

static uint64_t pending(int64_t receiver)
{
    uint64_t n = 99;
    cr_assert_eq(wr_store_pending(store, receiver, &n), WR_OK);
    return n;
}

static bool count_lines(void *arg, int64_t n, const char *json, size_t len)
{
    (void)n;
    cr_expect(len > 2 && json[0] == '{' && json[len - 1] == '}');
    ++*(int *)arg;
    return true;
}

static int history(int64_t after, int64_t since, uint32_t limit)
{
    int n = 0;
    struct wr_store_query query = {.after_n = after, .since_ticks = since, .limit = limit};
    cr_assert_eq(wr_store_history(store, &query, count_lines, &n), WR_OK);
    return n;
}

Test(store, the_same_alert_is_stored_once)
{
    cr_expect_eq(put_alerts(store, 1, 3), 3);
    cr_expect_eq(put_alerts(store, 2, 3), 1);
    cr_expect_eq(wr_store_stats(store).put, 4);
    cr_expect_eq(wr_store_stats(store).known, 2);
    struct wr_alert *update = alert_make(1, 1); /* same id, next seq */
    uint32_t added;
    cr_assert_eq(wr_store_put(store, update, &added), WR_OK);
    cr_expect_eq(added, 1);
    wr_alert_free(update);
}

Test(store, history_is_the_newest_oldest_first)
{
    put_alerts(store, 1, 10);
    cr_expect_eq(history(0, 0, 0), 10);
    cr_expect_eq(history(0, 0, 4), 4);
    cr_expect_eq(history(8, 0, 0), 2);
    struct wr_alert *eighth = alert_make(8, 0);
    cr_expect_eq(history(0, eighth->raised_at, 0), 3);
    cr_expect_eq(history(0, eighth->raised_at, 2), 2);
    wr_alert_free(eighth);
}

Test(store, history_has_the_last_version_or_all)
{
    put_alerts(store, 1, 3);
    struct wr_alert *update = alert_make(1, 1); /* of the first; now the newest */
    cr_assert_eq(wr_store_put(store, update, NULL), WR_OK);
    cr_expect_eq(history(0, 0, 0), 3);
    cr_expect_eq(history(0, 0, 2), 2);
    cr_expect_eq(history(3, 0, 0), 1);
    for (uint32_t limit = 0; limit <= 4; limit += 4) {
        int n = 0;
        struct wr_store_query query = {.limit = limit, .all_versions = true};
        cr_assert_eq(wr_store_history(store, &query, count_lines, &n), WR_OK);
        cr_expect_eq(n, 4);
    }
    wr_alert_free(update);
}

Test(store, chunks_are_bounded_by_count_and_bytes)
{
    int64_t id;
    const char *const names[] = {"a"};
    cr_assert_eq(wr_store_receivers(store, names, 1, &id), WR_OK);
    put_alerts(store, 1, 10);
    struct wr_chunk chunk = take(id, 4);
    cr_expect_eq(chunk.first, 1);
    cr_expect_eq(chunk.last, 4);
    cr_assert_eq(wr_store_take(store, id, 1, 100, &chunk), WR_OK); /* one alert is larger: it goes alone */
    cr_expect_eq(chunk.first, 5);
    cr_expect_eq(chunk.last, 5);
    chunk = take(id, 100);
    cr_expect_eq(chunk.last, 10);
    cr_expect_eq(wr_store_take(store, id, 1000000, 100, &chunk), WR_ENOENT);
    cr_expect_eq(pending(id), 10);
}

Test(store, a_chunk_reads_the_same_until_it_is_acknowledged)
{
    int64_t id;
    const char *const names[] = {"a"};
    cr_assert_eq(wr_store_receivers(store, names, 1, &id), WR_OK);
    put_alerts(store, 1, 3);
    struct wr_chunk chunk = take(id, 2), again;
    struct wr_buf a = {0}, b = {0};
    uint32_t n;
    cr_assert_eq(wr_store_read(store, &chunk, WR_STORE_ENTRIES, &a, &n), WR_OK);
    cr_expect_eq(n, 2);
    wr_store_close(store); /* and after a restart, with more alerts waiting */
    store = store_at(path);
    cr_assert_eq(wr_store_receivers(store, names, 1, &id), WR_OK);
    put_alerts(store, 4, 3);
    cr_assert_eq(wr_store_chunk(store, id, 0, &again), WR_OK);
    cr_expect_eq(again.id, chunk.id);
    cr_assert_eq(wr_store_read(store, &again, WR_STORE_ENTRIES, &b, &n), WR_OK);
    cr_expect(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
    cr_assert_eq(wr_store_ack(store, chunk.id), WR_OK);
    cr_expect_eq(wr_store_chunk(store, id, 0, &again), WR_ENOENT);
    cr_expect_eq(pending(id), 4);
    wr_buf_fini(&a);
    wr_buf_fini(&b);
}

Test(store, lines_are_json_lines)
{
    put_alerts(store, 1, 2);
    struct wr_buf b = {0};
    uint32_t n;
    struct wr_chunk all = {.first = 1, .last = 2};
    cr_assert_eq(wr_store_read(store, &all, WR_STORE_LINES, &b, &n), WR_OK);
    cr_expect_eq(n, 2);
    cr_expect_eq(b.data[b.len - 1], '\n');
    cr_expect(memchr(b.data, '\n', b.len) < (void *)(b.data + b.len - 1));
    wr_buf_fini(&b);
}

Test(store, a_new_receiver_starts_at_now_and_a_dropped_one_is_forgotten)
{
    int64_t ids[2];
    put_alerts(store, 1, 3);
    const char *const both[] = {"a", "b"};
    cr_assert_eq(wr_store_receivers(store, both, 2, ids), WR_OK);
    cr_expect_eq(pending(ids[0]), 0);
    put_alerts(store, 4, 2);
    struct wr_chunk chunk = take(ids[1], 1);
    cr_expect_eq(pending(ids[0]), 2);
    cr_expect_eq(pending(ids[1]), 2);
    int64_t a;
    cr_assert_eq(wr_store_receivers(store, both, 1, &a), WR_OK);
    cr_expect_eq(a, ids[0]);
    cr_expect_eq(pending(a), 2);
    cr_expect_eq(wr_store_chunk(store, ids[1], 0, &chunk), WR_ENOENT);
}

Test(store, retention_waits_for_every_receiver)
{
    int64_t ids[2];
    const char *const both[] = {"a", "b"};
    cr_assert_eq(wr_store_receivers(store, both, 2, ids), WR_OK);
    put_alerts(store, 1, 10);
    struct wr_store_limits limits = {.max_alerts = 3};
    uint64_t forgotten, dead;
    struct wr_chunk a = take(ids[0], 100), b1 = take(ids[1], 4), b2 = take(ids[1], 2);
    cr_assert_eq(wr_store_ack(store, a.id), WR_OK);
    cr_assert_eq(wr_store_trim(store, &limits, 0, &forgotten, &dead), WR_OK);
    cr_expect_eq(forgotten, 0); /* b has none yet */
    cr_assert_eq(wr_store_ack(store, b2.id), WR_OK);
    cr_assert_eq(wr_store_trim(store, &limits, 0, &forgotten, &dead), WR_OK);
    cr_expect_eq(forgotten, 0); /* the first four are still in flight */
    cr_assert_eq(wr_store_ack(store, b1.id), WR_OK);
    cr_assert_eq(wr_store_trim(store, &limits, 0, &forgotten, &dead), WR_OK);
    cr_expect_eq(forgotten, 6);
    cr_expect_eq(dead, 0);
    cr_expect_eq(history(0, 0, 0), 4);
}

Test(store, age_forgets_only_what_is_old)
{
    put_alerts(store, 1, 10);
    struct wr_alert *tenth = alert_make(10, 0);
    struct wr_store_limits limits = {.max_age_ticks = 4 * WR_TICKS_SECOND};
    uint64_t forgotten, dead;
    cr_assert_eq(wr_store_trim(store, &limits, tenth->raised_at, &forgotten, &dead), WR_OK);
    cr_expect_eq(forgotten, 5);
    wr_alert_free(tenth);
}

Test(store, the_hard_limit_counts_what_nobody_got)
{
    int64_t id;
    const char *const names[] = {"a"};
    cr_assert_eq(wr_store_receivers(store, names, 1, &id), WR_OK);
    put_alerts(store, 1, 10);
    struct wr_chunk chunk = take(id, 3);
    cr_assert_eq(wr_store_ack(store, chunk.id), WR_OK);
    chunk = take(id, 3); /* 4..6: partly forgotten below */
    struct wr_store_limits limits = {.max_alerts_undelivered = 5};
    uint64_t forgotten, dead;
    cr_assert_eq(wr_store_trim(store, &limits, 0, &forgotten, &dead), WR_OK);
    cr_expect_eq(forgotten, 5);
    cr_expect_eq(dead, 2);
    cr_expect_eq(pending(id), 5);
    struct wr_buf b = {0};
    uint32_t n;
    cr_assert_eq(wr_store_read(store, &chunk, WR_STORE_LINES, &b, &n), WR_OK);
    cr_expect_eq(n, 1);
    wr_buf_fini(&b);
    put_alerts(store, 11, 1);
    cr_expect_eq(history(10, 0, 0), 1); /* numbers are not used again */
}

Test(store, a_second_daemon_is_refused_and_a_reader_is_not)
{
    struct wr_store *other;
    struct wr_buf error = {0};
    cr_expect_eq(wr_store_open(path, WR_STORE_OWN, &error, &other), WR_EIO);
    cr_expect(error.data && memmem(error.data, error.len, "another weir", 12));
    wr_buf_fini(&error);
    put_alerts(store, 1, 2);
    cr_assert_eq(wr_store_open(path, WR_STORE_READ, NULL, &other), WR_OK);
    int n = 0;
    struct wr_store_query query = {0};
    cr_assert_eq(wr_store_history(other, &query, count_lines, &n), WR_OK);
    cr_expect_eq(n, 2);
    wr_store_close(other);
}

static void expect_refused(const char *file, enum wr_store_mode mode, enum wr_err err, const char *text)
{
    struct wr_store *other = NULL;
    struct wr_buf error = {0};
    cr_expect_eq(wr_store_open(file, mode, &error, &other), err, "%s", file);
    cr_expect_null(other);
    wr_buf_char(&error, '\0');
    cr_expect(strstr(error.data, text), "%s", error.data);
    cr_expect(strstr(error.data, file), "%s", error.data);
    wr_buf_fini(&error);
}

Test(store, what_cannot_be_opened_says_why_and_what_to_do)
{
    wr_store_close(store);
    store = NULL;
    expect_refused("/nonexistent/alerts.db", WR_STORE_READ, WR_ENOENT, "weir run makes it");
    expect_refused("/nonexistent/alerts.db", WR_STORE_OWN, WR_ENOENT, "check that the folder is there");
    sqlite3 *db;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "PRAGMA user_version=2", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    expect_refused(path, WR_STORE_OWN, WR_EUNSUPPORTED, "newer weir");
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "PRAGMA application_id=7", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    expect_refused(path, WR_STORE_OWN, WR_ECORRUPT, "another program");
    FILE *f = fopen(path, "w");
    fputs(
        "this is no database, and long enough that nobody takes it for an empty one.........................."
        "..............................",
        f);
    fclose(f);
    expect_refused(path, WR_STORE_OWN, WR_ECORRUPT, "move the file away");
}

Test(store, a_damaged_page_is_found_at_the_start)
{
    put_alerts(store, 1, 200);
    wr_store_close(store); /* checkpoints */
    store = NULL;
    int fd = open(path, O_WRONLY);
    char junk[4096];
    memset(junk, 0xa5, sizeof junk);
    for (int page = 8; page < 24; page += 4)
        cr_assert_eq(pwrite(fd, junk, sizeof junk, page * 4096), (ssize_t)sizeof junk);
    close(fd);
    expect_refused(path, WR_STORE_OWN, WR_ECORRUPT, "damaged");
}

Test(store, what_was_put_survives_a_kill)
{
    wr_store_close(store);
    store = NULL;
    pid_t child = fork();
    if (!child) {
        struct wr_store *own = store_at(path);
        put_alerts(own, 1, 5);
        _exit(0); /* no close, no checkpoint */
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    store = store_at(path);
    cr_expect_eq(history(0, 0, 0), 5);
    struct stat st;
    cr_assert_eq(stat(path, &st), 0);
    cr_expect_eq(st.st_mode & 07, 0); /* alerts are not for everybody */
}

Test(store, an_alert_that_is_no_json_is_kept_as_text)
{
    struct wr_alert *alert = alert_make(1, 0);
    struct wr_alert_cell cell = {.name = "d", .type = WR_DYNAMIC, .s = WR_STR_LIT("{broken")};
    alert->cells = &cell;
    alert->ncells = 1;
    uint32_t added;
    cr_assert_eq(wr_store_put(store, alert, &added), WR_OK);
    cr_expect_eq(added, 1);
    struct wr_buf b = {0};
    uint32_t n;
    struct wr_chunk all = {.first = 1, .last = 1};
    cr_assert_eq(wr_store_read(store, &all, WR_STORE_ENTRIES, &b, &n), WR_OK);
    cr_expect(memmem(b.data, b.len, "{broken", 7));
    wr_buf_fini(&b);
    wr_alert_free(alert);
}
