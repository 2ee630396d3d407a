/* What the tests of parsers/log share: a log with its batches, and the accounting identity after each frame.
 */
#ifndef WR_TESTS_LOG_SUPPORT_H
#define WR_TESTS_LOG_SUPPORT_H

#include "base/ticks.h"
#include "parsers/log/log.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define RECEIPT "2026-11-24T08:00:00Z"

struct fixture {
    struct wr_log *log;
    struct wr_rows rows;             /* a batch a table */
    struct wr_batch *events, *lines; /* of it, DeviceNetworkEvents and Syslog */
    uint64_t event_rows, line_rows;  /* appended in all; event_rows: of every table but Syslog */
    int64_t now_ns;
};

static inline int64_t ticks_of(const char *iso)
{
    int64_t t = -1;
    cr_assert(wr_ticks_parse_iso(iso, strlen(iso), &t), "%s", iso);
    return t;
}

static inline struct fixture open_rows(bool live, uint32_t rows)
{
    struct fixture f = {.now_ns = wr_ticks_to_unix_ns(ticks_of(RECEIPT))};
    f.log = wr_log_new(&(struct wr_log_opts){.live = live});
    cr_assert(f.log);
    for (int t = 0; t < WR_NTABLES; t++) {
        const struct wr_schema *schema = wr_schema_of((enum wr_table)t);
        struct wr_colset all = wr_colset_all(schema);
        f.rows.of[t] = wr_batch_new(schema, &all, rows);
        cr_assert(f.rows.of[t]);
    }
    f.events = f.rows.of[WR_TABLE_DEVICE_NETWORK_EVENTS];
    f.lines = f.rows.of[WR_TABLE_SYSLOG];
    return f;
}

static inline void close_rows(struct fixture *f)
{
    wr_log_free(f->log);
    wr_rows_free(&f->rows);
}

static inline void check_sums(const struct fixture *f)
{
    const struct wr_log_stats *s = wr_log_stats(f->log);
    uint64_t text = s->plain + s->unparsed_json + s->unparsed_limit + s->unparsed_missing_field +
                    s->unmapped + s->oversize;
    cr_assert_eq(s->records, s->mapped + text);
    cr_assert_eq(s->mapped, s->parsed_defender + s->parsed_sysmon + s->parsed_mapping + s->parsed_cef);
    cr_assert_eq(s->rows, f->event_rows + s->filtered_early + s->unread);
    cr_assert_leq(s->mapped, s->rows);
    cr_assert_eq(text, f->line_rows);
    cr_assert_leq(s->frames, s->records);
}

static inline void take_rows(struct fixture *f)
{
    cr_assert(wr_rows_reset(&f->rows));
}

/* One frame whose rows fit into the batches as they are. */
static inline void feed(struct fixture *f, const char *text, size_t len)
{
    uint32_t all = wr_rows_count(&f->rows), l = f->lines->nrows;
    cr_assert_eq(wr_log_frame(f->log, "192.0.2.9", text, len, f->now_ns, &f->rows), WR_OK);
    f->event_rows += wr_rows_count(&f->rows) - all - (f->lines->nrows - l);
    f->line_rows += f->lines->nrows - l;
    check_sums(f);
}

static inline void feed_alone(struct fixture *f, const char *text)
{
    take_rows(f);
    feed(f, text, strlen(text));
}

/* Text of a string column, in a buffer that the next call reuses. */
static inline const char *cell(const struct wr_batch *b, uint16_t col, uint32_t row)
{
    static char text[4096];
    const struct wr_vec *v = &b->col[col];
    if (!v->s) {
        if (!wr_vec_valid(v, row))
            return "null";
        if (v->type != WR_DATETIME) {
            snprintf(text, sizeof text, "%lld", (long long)v->i[row]);
            return text;
        }
        struct wr_buf buf = {0};
        wr_ticks_datetime(&buf, v->i[row]);
        snprintf(text, sizeof text, "%.*s", (int)buf.len, buf.data);
        wr_buf_fini(&buf);
        return text;
    }
    snprintf(text, sizeof text, "%.*s", (int)v->s[row].len, wr_str_data(&v->s[row]));
    return text;
}

#define EXPECT_CELL(batch, col, row, want)                                                                   \
    cr_expect_str_eq(cell(batch, col, row), want, "%s: '%s' is not '%s'", #col, cell(batch, col, row), want)

#endif
