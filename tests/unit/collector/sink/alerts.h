/* Alerts and folders that the sink tests share. */
#ifndef WR_TESTS_COLLECTOR_SINK_ALERTS_H
#define WR_TESTS_COLLECTOR_SINK_ALERTS_H

#include "base/ticks.h"
#include "collector/sink/store.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One alert with number `n` in its id, raised n seconds after 2026-01-01. */
static inline struct wr_alert *alert_make(uint32_t n, uint32_t seq)
{
    struct wr_arena *arena = wr_arena_new(1024);
    struct wr_alert *alert = wr_arena_alloc(arena, sizeof *alert);
    alert->arena = arena;
    snprintf(alert->id, sizeof alert->id, "%032x", n);
    alert->seq = seq;
    alert->rule_id = "T1071.003";
    alert->rule_name = "Mail by an odd process";
    alert->severity = "medium";
    alert->raised_at = WR_TICKS_UNIX_EPOCH + (INT64_C(1767225600) + n) * WR_TICKS_SECOND;
    alert->exact = true;
    return alert;
}

static inline uint32_t put_alerts(struct wr_store *store, uint32_t from, uint32_t n)
{
    struct wr_alert *list = NULL, **end = &list;
    for (uint32_t i = 0; i < n; i++) {
        *end = alert_make(from + i, 0);
        end = &(*end)->next;
    }
    uint32_t added = 0;
    cr_assert_eq(wr_store_put(store, list, &added), WR_OK, "%s", wr_store_error(store));
    wr_alerts_free(list);
    return added;
}

/* A fresh folder below the working folder (the build), and the path of a file in it; both static. */
static inline const char *temp_path(const char *file)
{
    static char path[256];
    char dir[] = "weir-test-XXXXXX";
    cr_assert(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/%s", dir, file);
    return path;
}

static inline void temp_remove(const char *path)
{
    char cmd[300], dir[256];
    snprintf(dir, sizeof dir, "%s", path);
    *strrchr(dir, '/') = '\0';
    cr_assert(strncmp(dir, "weir-test-", 10) == 0);
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    cr_expect_eq(system(cmd), 0);
}

static inline struct wr_store *store_at(const char *path)
{
    struct wr_store *store;
    struct wr_buf error = {0};
    enum wr_err err = wr_store_open(path, WR_STORE_OWN, &error, &store);
    cr_assert_eq(err, WR_OK, "%.*s", (int)error.len, error.data ? error.data : "");
    wr_buf_fini(&error);
    return store;
}

#endif
