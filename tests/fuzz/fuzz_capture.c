/* A capture file from a stranger: the reader stays inside it, the meter loses no packet. */
#include "base/err.h"
#include "parsers/capture/capture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t touch(const struct wr_packet *p)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < p->payload_len; i++)
        sum += p->payload[i];
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wr_capture cap;
    struct wr_packet p;
    struct wr_flow_vec out = {0};
    struct wr_meter *m;
    uint64_t fed = 0, sum = 0, octets = 0;
    if (wr_capture_open(&cap, data, size) != WR_OK || !(m = wr_meter_new()))
        return 0;
    (void)wr_capture_has_exports(&cap);
    while (wr_capture_next(&cap, &p)) {
        fed++;
        octets += p.ip_octets;
        sum += touch(&p);
        WR_ASSERT(wr_meter_packet(m, &p, &out) == WR_OK);
    }
    WR_ASSERT(cap.at == cap.end && fed <= cap.packets);
    WR_ASSERT(wr_meter_flush(m, &out) == WR_OK);
    for (uint32_t i = 0; i < out.n; i++) {
        const struct wr_flow *f = &out.at[i];
        WR_ASSERT(f->start_ns <= f->end_ns && f->end_ns <= f->export_ns);
        fed -= f->packets[0] + f->packets[1];
        octets -= f->octets[0] + f->octets[1];
    }
    WR_ASSERT(fed == 0 && octets == 0);
    wr_flow_vec_fini(&out);
    wr_meter_free(m);
    return sum == UINT64_MAX; /* keeps the reads */
}
