/* A capture file from a stranger: the reader stays inside it, the meter loses no packet. */
#include "base/err.h"
#include "parsers/capture/capture.h"
#include "tests/fuzz/pick.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t touch(const struct wr_packet *p)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < p->payload_len; i++)
        sum += p->payload[i];
    return sum;
}

static uint64_t run(struct wr_meter *m, struct wr_flow_vec *out, const uint8_t *data, size_t size)
{
    struct wr_capture cap;
    struct wr_packet p;
    uint64_t fed = 0, sum = 0, octets = 0;
    wr_flow_vec_reset(out);
    if (wr_capture_open(&cap, data, size) != WR_OK)
        return 0;
    (void)wr_capture_has_exports(&cap);
    while (wr_capture_next(&cap, &p)) {
        fed++;
        octets += p.ip_octets;
        sum += touch(&p);
        WR_ASSERT(wr_meter_packet(m, &p, out) == WR_OK);
    }
    WR_ASSERT(cap.at == cap.end && fed <= cap.packets);
    WR_ASSERT(wr_meter_flush(m, out) == WR_OK);
    for (uint32_t i = 0; i < out->n; i++) {
        const struct wr_flow *f = &out->at[i];
        WR_ASSERT(f->start_ns <= f->end_ns && f->end_ns <= f->export_ns);
        fed -= f->packets[0] + f->packets[1];
        octets -= f->octets[0] + f->octets[1];
    }
    WR_ASSERT(fed == 0 && octets == 0);
    return sum;
}

/* A meter that has seen nothing makes the same flows. */
static void check_kept(const struct wr_flow_vec *flows, const uint8_t *data, size_t size)
{
    static struct wr_flow_vec again;
    struct wr_meter *fresh = wr_meter_new();
    WR_ASSERT(fresh != NULL);
    (void)run(fresh, &again, data, size);
    WR_ASSERT(again.n == flows->n &&
              (!again.n || !memcmp(again.at, flows->at, again.n * sizeof *again.at)));
    wr_meter_free(fresh);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wr_meter
        *meter; /* flushed it is as new, and its table is larger than what an input fills */
    static struct wr_flow_vec flows;
    meter = meter ? meter : wr_meter_new();
    WR_ASSERT(meter != NULL);
    uint64_t sum = run(meter, &flows, data, size);
    if (one_in(32, data, size))
        check_kept(&flows, data, size);
    return sum == UINT64_MAX; /* keeps the reads */
}
