/* Blocks of flow records: their rows are those that wr_flow_row makes of each record, whatever it is and
 * whatever rules read. */
#include "collector/pipeline/block.h"

#include "collector/cli/flow_row.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static uint64_t seed = 31;
static uint32_t dice(uint32_t n)
{
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(seed >> 33) % n;
}

static uint64_t some_number(void)
{
    static const uint64_t edges[] = {
        0, 1, 255, 256, 65535, 65536, UINT32_MAX, UINT64_C(1) << 32, INT64_MAX, UINT64_MAX};
    return dice(3) ? dice(200) : edges[dice(sizeof edges / sizeof *edges)];
}

static void fill(void *at, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)at)[i] = (uint8_t)(dice(3) ? dice(256) : 0);
}

/* `mixed`: of every kind in one block, else as a router sends them. */
static struct wr_flow some_flow(bool mixed)
{
    static const uint8_t protos[] = {1, 6, 17, 58, 255}, mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct wr_flow f = {
        .proto = protos[mixed ? dice(5) : 1], .tcp_flags = (uint8_t)dice(256), .sampling = 1 + dice(3)};
    f.sport = (uint16_t)dice(65536);
    f.dport = (uint16_t)dice(65536);
    f.end_reason = (uint8_t)dice(3);
    f.direction = (uint8_t)(dice(3) ? dice(2) : 255);
    f.flags = WR_FLOW_HAS_BYTES | WR_FLOW_HAS_TCP_FLAGS;
    if (mixed)
        f.flags = dice(1 << 13) & ~(uint32_t)WR_FLOW_NAT_EVENT &
                  (dice(2) ? UINT32_MAX : ~(uint32_t)WR_FLOW_COUNTERS);
    fill(f.src, f.flags & WR_FLOW_V6 ? 16 : 4);
    fill(f.dst, f.flags & WR_FLOW_V6 ? 16 : 4);
    fill(f.exporter, 16);
    if (dice(2))
        memcpy(f.exporter, mapped, sizeof mapped);
    f.domain = (uint32_t)some_number();
    f.start_ns = (int64_t)(dice(9) ? UINT64_C(1767600000000000000) + dice(2000000000) : some_number());
    f.end_ns = f.start_ns;
    f.octets[0] = some_number();
    f.packets[0] = some_number();
    return f;
}

static void assert_same(const struct wr_batch *is, const struct wr_batch *want)
{
    cr_assert_eq(is->nrows, want->nrows);
    for (uint16_t c = 0; c < want->schema->ncols; c++) {
        const struct wr_vec *a = &is->col[c], *b = &want->col[c];
        for (uint32_t r = 0; r < want->nrows; r++) {
            cr_assert_eq(wr_vec_valid(a, r), wr_vec_valid(b, r), "%s, row %u", want->schema->cols[c].name, r);
            if (b->i && wr_vec_valid(b, r))
                cr_assert_eq(a->i[r], b->i[r], "%s, row %u", want->schema->cols[c].name, r);
            if (b->s)
                cr_assert(wr_str_eq(&a->s[r], &b->s[r]), "%s, row %u", want->schema->cols[c].name, r);
        }
    }
}

static struct wr_colset some_columns(void)
{
    const struct wr_schema *schema = wr_schema_of(WR_TABLE_FLOWS);
    struct wr_colset all = wr_colset_all(schema), some = {0};
    const uint32_t of = dice(4);
    for (uint16_t c = 0; c < schema->ncols; c++)
        if (wr_colset_has(&all, c) && (of == 0 || dice(of + 1) == 0))
            wr_colset_add(&some, c);
    return some;
}

Test(block, rows_are_those_of_the_records)
{
    static struct wr_flow flows[WR_BLOCK_RECORDS];
    const struct wr_schema *schema = wr_schema_of(WR_TABLE_FLOWS);
    struct wr_buf buf = {0};
    for (int round = 0; round < 400; round++) {
        const uint32_t n = dice(4) ? 1 + dice(70) : 1 + dice(WR_BLOCK_RECORDS);
        const struct wr_colset wanted = some_columns();
        struct wr_batch *is = wr_batch_new(schema, &wanted, n + 5),
                        *want = wr_batch_new(schema, &wanted, n + 5);
        struct wr_block block;
        for (uint32_t i = 0; i < n; i++)
            flows[i] = some_flow(round & 1);
        wr_buf_reset(&buf);
        wr_buf_u8(&buf, 0); /* it need not be aligned */
        cr_assert(wr_block_pack(flows, n, wr_block_parts(&wanted), &buf));
        cr_assert(wr_block_open(buf.data + 1, buf.len - 1, &block));
        for (uint32_t i = 0; i < 5; i++) /* rows that stand there before */
            cr_assert(wr_flow_row(&flows[0], (struct wr_who){0}, is) &&
                      wr_flow_row(&flows[0], (struct wr_who){0}, want));
        for (uint32_t i = 0; i < n; i++)
            cr_assert(wr_flow_row(&flows[i], (struct wr_who){0}, want));
        for (uint32_t at = 0, some; at < n; at += some) {
            some = 1 + dice(n - at);
            cr_assert(wr_block_rows(&block, at, some, is));
        }
        assert_same(is, want);
        wr_batch_free(is);
        wr_batch_free(want);
    }
    wr_buf_fini(&buf);
}

/* Packed for other rules: what they did not read is null, the rest is there. */
Test(block, columns_that_are_in_no_part_stay_null)
{
    const struct wr_schema *schema = wr_schema_of(WR_TABLE_FLOWS);
    struct wr_colset all = wr_colset_all(schema), few = {0};
    struct wr_batch *b = wr_batch_new(schema, &all, 8);
    struct wr_flow flows[2] = {some_flow(false), some_flow(false)};
    struct wr_buf buf = {0};
    struct wr_block block;
    wr_colset_add(&few, WR_FLOWS_octetDeltaCount);
    cr_assert(wr_block_pack(flows, 2, wr_block_parts(&few), &buf));
    cr_assert(wr_block_open(buf.data, buf.len, &block));
    cr_assert(wr_block_rows(&block, 0, 2, b));
    for (uint32_t r = 0; r < 2; r++) {
        cr_expect(wr_vec_valid(&b->col[WR_FLOWS_octetDeltaCount], r));
        cr_expect_eq(b->col[WR_FLOWS_octetDeltaCount].i[r], (int64_t)flows[r].octets[0]);
        cr_expect(!wr_vec_valid(&b->col[WR_FLOWS_packetDeltaCount], r));
        cr_expect(!wr_vec_valid(&b->col[WR_FLOWS_destinationTransportPort], r));
        cr_expect_eq(b->col[WR_FLOWS_sourceIPAddress].s[r].len, 0);
        cr_expect_eq(b->col[WR_FLOWS_Exporter].s[r].len, 0);
    }
    wr_batch_free(b);
    wr_buf_fini(&buf);
}

Test(block, what_a_router_sends_is_short)
{
    static struct wr_flow flows[WR_BLOCK_RECORDS];
    struct wr_colset wanted = {0};
    struct wr_buf buf = {0};
    wr_colset_add(&wanted, WR_FLOWS_Timestamp);
    wr_colset_add(&wanted, WR_FLOWS_sourceIPAddress);
    wr_colset_add(&wanted, WR_FLOWS_octetDeltaCount);
    for (uint32_t i = 0; i < WR_BLOCK_RECORDS; i++) {
        flows[i] = some_flow(false);
        flows[i].start_ns = 1767600000000000000 + (int64_t)dice(2000000000);
        flows[i].octets[0] = 64 + dice(100000);
    }
    cr_assert(wr_block_pack(flows, WR_BLOCK_RECORDS, wr_block_parts(&wanted), &buf));
    cr_expect_leq(buf.len, 4 + 4 * 10 + 12 * WR_BLOCK_RECORDS, "%zu", buf.len);
    wr_buf_fini(&buf);
}

Test(block, translations_are_not_packed)
{
    struct wr_flow flows[2] = {some_flow(false), some_flow(false)};
    struct wr_buf buf = {0};
    flows[1].flags |= WR_FLOW_NAT_EVENT;
    cr_assert(!wr_block_pack(flows, 2, UINT32_MAX, &buf));
    cr_expect_eq(buf.len, 0);
    cr_expect_eq(buf.err, WR_OK);
    wr_buf_fini(&buf);
}

Test(block, what_is_no_block_is_refused)
{
    struct wr_flow flows[3] = {some_flow(true), some_flow(true), some_flow(true)};
    struct wr_colset all = wr_colset_all(wr_schema_of(WR_TABLE_FLOWS));
    struct wr_buf buf = {0};
    struct wr_block block;
    cr_assert(wr_block_pack(flows, 3, wr_block_parts(&all), &buf));
    for (size_t len = 0; len < buf.len; len++) {
        char *copy = malloc(len + 1); /* so that ASan sees what is read behind it */
        memcpy(copy, buf.data, len);
        cr_assert(!wr_block_open(len ? copy : NULL, len, &block), "%zu of %zu octets", len, buf.len);
        free(copy);
    }
    wr_buf_u8(&buf, 0);
    cr_expect(!wr_block_open(buf.data, buf.len, &block), "one octet more");
    buf.len--;
    char *const at = buf.data;
    const struct {
        const char *what;
        size_t at;
        char value;
    } wrong[] = {{"no records", 0, 0},    {"too many records", 1, 2},
                 {"fewer parts", 2, 1},   {"an unknown part", 4, 100},
                 {"a part twice", 14, 0}, {"width 3", 5, 3},
                 {"width 16", 5, 16},     {"flags left out", 4, WR_PART_START}};
    cr_assert(wr_block_open(buf.data, buf.len, &block));
    at[5] = 0; /* flags of width 0, so that the next part's place is known */
    buf.len = 4 + 10;
    at[2] = 1;
    cr_assert(wr_block_open(buf.data, buf.len, &block));
    memcpy(at + 14, at + 4, 10);
    at[14] = WR_PART_START;
    at[2] = 2;
    buf.len += 10;
    cr_assert(wr_block_open(buf.data, buf.len, &block));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char was = at[wrong[i].at];
        at[wrong[i].at] = wrong[i].value;
        cr_expect(!wr_block_open(buf.data, buf.len, &block), "%s", wrong[i].what);
        at[wrong[i].at] = was;
    }
    wr_buf_fini(&buf);
}
