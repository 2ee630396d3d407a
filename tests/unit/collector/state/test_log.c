#include "collector/state/log.h"
#include "collector/state/log_format.h"
#include "tests/support/sim_disk.h"

#include <criterion/criterion.h>

enum { RECORDS = 25 };

/* Record i: type, time and bytes follow from i, so that a reader can tell. */
static struct wr_input record(uint64_t i, uint8_t *bytes)
{
    uint32_t len = (uint32_t)(i * 7 % 50);
    memset(bytes, (int)i, len);
    return (struct wr_input){
        .type = (uint32_t)(1 + i % 4), .len = len, .arrival_ns = (int64_t)(i * 1000), .bytes = bytes};
}

struct seen {
    uint64_t n, wrong, next;
    bool gaps; /* records may be missing */
};

static bool check(void *arg, const struct wr_input *in)
{
    struct seen *seen = arg;
    uint8_t bytes[64];
    uint64_t i = (uint64_t)in->arrival_ns / 1000;
    struct wr_input want = record(i, bytes);
    if (in->type != want.type || in->len != want.len || (in->len && memcmp(in->bytes, bytes, in->len) != 0))
        seen->wrong++;
    if (seen->gaps ? i < seen->next : i != seen->next)
        seen->wrong++;
    seen->next = i + 1;
    seen->n++;
    return true;
}

static void write_log(struct wr_io *io, uint64_t segment, uint64_t from, uint64_t n)
{
    struct wr_wal wal;
    uint8_t bytes[64];
    cr_assert_eq(wr_wal_open(&wal, io, "s", segment, from), 0);
    for (uint64_t i = 0; i < n; i++) {
        struct wr_input in = record(from + i, bytes);
        wr_wal_append(&wal, &in);
    }
    cr_assert_eq(wr_wal_close(&wal), 0);
}

/* A segment whose header says another shape, as a weir with other columns wrote it. */
static void reshape(struct wr_io *io, const char *path)
{
    char *data;
    size_t len;
    cr_assert_eq(wr_io_read_file(io, path, 1 << 20, &data, &len), 0);
    wr_le_put((uint8_t *)data + 28, wr_wal_shape() + 1, 4);
    wr_le_put((uint8_t *)data + 24, wr_wal_head_crc((const uint8_t *)data), 4);
    cr_assert_eq(io->unlink(io->ctx, path), 0);
    int fd = io->open(io->ctx, path, WR_IO_CREATE);
    cr_assert_geq(fd, 0);
    cr_assert_eq(wr_io_write_all(io, fd, data, len), 0);
    cr_assert_eq(io->close(io->ctx, fd), 0);
    free(data);
}

Test(wal, records_of_another_shape_are_counted_and_not_read)
{
    struct sim_disk disk = {0};
    struct wr_io io = sim_io(&disk);
    write_log(&io, 3, 0, RECORDS);
    write_log(&io, 4, RECORDS, 3);
    reshape(&io, "s/log-00000000000000000003");
    struct seen seen = {.gaps = true};
    struct wr_wal_report report;
    cr_assert_eq(wr_wal_replay(&io, "s", 1, check, &seen, &report), 0);
    cr_expect_eq(seen.n, 3);
    cr_expect_eq(seen.wrong, 0);
    cr_expect_eq(report.lost_records, RECORDS);
    cr_expect_str_eq(report.first_damage, "written by another version of weir");
    cr_expect_eq(report.last_lsn, RECORDS + 3);
    sim_free(&disk);
}

Test(wal, gives_back_what_was_appended_over_segments)
{
    struct sim_disk disk = {0};
    struct wr_io io = sim_io(&disk);
    write_log(&io, 3, 0, RECORDS);
    write_log(&io, 4, RECORDS, RECORDS);
    struct seen seen = {0};
    struct wr_wal_report report;
    cr_assert_eq(wr_wal_replay(&io, "s", 1, check, &seen, &report), 0);
    cr_assert_eq(seen.n, 2 * RECORDS);
    cr_assert_eq(seen.wrong, 0);
    cr_assert_eq(report.next_segment, 5);
    cr_assert_eq(report.last_lsn, 2 * RECORDS);
    cr_assert_null(report.first_damage);
    seen = (struct seen){.next = RECORDS};
    cr_assert_eq(wr_wal_replay(&io, "s", 4, check, &seen, &report), 0);
    cr_assert_eq(seen.n, RECORDS);
    wr_wal_trim(&io, "s", 4);
    cr_assert_null(sim_find(&disk, "s/log-00000000000000000003"));
    cr_assert_not_null(sim_find(&disk, "s/log-00000000000000000004"));
    sim_free(&disk);
}

Test(wal, torn_tail_at_every_byte_loses_only_the_cut_records)
{
    struct sim_disk disk = {0};
    struct wr_io io = sim_io(&disk);
    write_log(&io, 1, 0, RECORDS);
    struct sim_file *f = sim_find(&disk, "s/log-00000000000000000001");
    size_t whole = f->len;
    uint64_t last = RECORDS;
    for (size_t cut = whole; cut-- > 0;) {
        f->len = cut;
        struct seen seen = {0};
        struct wr_wal_report report;
        cr_assert_eq(wr_wal_replay(&io, "s", 1, check, &seen, &report), 0);
        cr_assert_eq(seen.wrong, 0);
        cr_assert_null(report.first_damage, "cut at %zu: %s", cut, report.first_damage);
        cr_assert(seen.n == last || seen.n + 1 == last, "cut at %zu gives %d", cut, (int)seen.n);
        if (cut >= 32) /* what is left was cut off: a second reading finds nothing torn */
            cr_assert_eq(f->len + report.torn_bytes, cut);
        last = seen.n;
    }
    cr_assert_eq(last, 0);
    sim_free(&disk);
}

Test(wal, one_broken_byte_costs_its_record_and_is_reported)
{
    struct sim_disk disk = {0};
    struct wr_io io = sim_io(&disk);
    write_log(&io, 1, 0, RECORDS);
    write_log(&io, 2, RECORDS, 1); /* so that segment 1 is not the newest: its end is no torn tail */
    struct sim_file *f = sim_find(&disk, "s/log-00000000000000000001");
    for (size_t at = 0; at < f->len; at++) {
        f->data[at] ^= 0x40;
        struct seen seen = {.gaps = true};
        struct wr_wal_report report;
        cr_assert_eq(wr_wal_replay(&io, "s", 1, check, &seen, &report), 0);
        cr_assert_eq(seen.wrong, 0, "byte %zu", at);
        cr_assert_geq(seen.n, RECORDS, "byte %zu cost %d records", at, (int)(RECORDS + 1 - seen.n));
        if (seen.n == RECORDS)
            cr_assert_not_null(report.first_damage, "byte %zu", at);
        f->data[at] ^= 0x40;
    }
    sim_free(&disk);
}

Test(wal, after_power_loss_what_was_synced_is_there)
{
    for (size_t keep = 0; keep < 200; keep += 8) {
        struct sim_disk disk = {0};
        struct wr_io io = sim_io(&disk);
        struct wr_wal wal;
        uint8_t bytes[64];
        cr_assert_eq(wr_wal_open(&wal, &io, "s", 1, 0), 0);
        for (uint64_t i = 0; i < RECORDS; i++) {
            struct wr_input in = record(i, bytes);
            wr_wal_append(&wal, &in);
            cr_assert_eq(wr_wal_write(&wal), 0);
            if (i == 10)
                cr_assert_eq(wr_wal_sync(&wal, wal.fd), 0);
        }
        sim_power_loss(&disk, keep);
        struct seen seen = {0};
        struct wr_wal_report report;
        cr_assert_eq(wr_wal_replay(&io, "s", 1, check, &seen, &report), 0);
        cr_assert_geq(seen.n, 11);
        cr_assert_eq(seen.wrong, 0);
        wr_buf_fini(&wal.pending);
        sim_free(&disk);
    }
}

Test(wal, every_failing_call_is_survived_and_counted)
{
    for (int n = 1; n < 60; n++) {
        struct sim_disk disk = {.fail_at = n, .fail_errno = ENOSPC};
        struct wr_io io = sim_io(&disk);
        struct wr_wal wal;
        uint8_t bytes[64];
        int opened = wr_wal_open(&wal, &io, "s", 1, 0);
        for (uint64_t i = 0; opened == 0 && i < RECORDS; i++) {
            struct wr_input in = record(i, bytes);
            wr_wal_append(&wal, &in);
            (void)wr_wal_write(&wal);
            if (wal.fd < 0) /* the disk has room again: a new segment goes on */
                cr_assert_eq(wr_wal_rotate(&wal), 0);
        }
        uint64_t unlogged = wal.unlogged;
        if (opened == 0)
            (void)wr_wal_close(&wal);
        disk.fail_at = 0;
        struct seen seen = {.gaps = true};
        struct wr_wal_report report;
        cr_assert_eq(wr_wal_replay(&io, "s", 1, check, &seen, &report), 0);
        cr_assert_eq(seen.wrong, 0);
        if (opened == 0)
            cr_assert_geq(seen.n + unlogged, RECORDS, "call %d", n);
        sim_free(&disk);
    }
}
