/* What is passed over has no port that is wanted; the fast way stops at no other place than the plain one needs to. */
#include "message.h"

#include "parsers/flow/state.h"

#include <string.h>

enum { MAX_RECORDS = 70, MAX_STRIDE = 90, ROUNDS = 20000 };

static uint32_t draw(uint32_t *state, uint32_t below)
{
    *state = *state * 1664525 + 1013904223;
    return (*state >> 8) % below;
}

static struct wr_flow_decoder *decoder_for(const int64_t *ports, uint32_t n)
{
    const struct wr_pred pred = {.col = WR_DNE_RemotePort, .op = WR_PRED_IN_INT, .n = n, .ints = ports};
    const struct wr_branch branch = {.preds = &pred, .npreds = 1};
    const struct wr_scan scan = {.branches = &branch, .nbranches = 1};
    struct wr_flow_decoder *dec = wr_flow_decoder_new(NULL);
    cr_assert(dec && wr_flow_decoder_scan(dec, &scan) == WR_OK);
    return dec;
}

static bool is_wanted(const int64_t *ports, uint32_t n, const uint8_t *p)
{
    for (uint32_t i = 0; i < n; i++)
        if (ports[i] == wr_be16(p))
            return true;
    return false;
}

/* Sets of every length and width, the ports beside each other or not, at the very end of what may be read. */
static void holds_for(const int64_t *ports, uint32_t nports, wr_pass_over *pass_over, uint32_t *ret_stops)
{
    struct wr_flow_decoder *dec = decoder_for(ports, nports);
    uint32_t rng = nports;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        const uint32_t n = draw(&rng, MAX_RECORDS), stride = 6 + draw(&rng, MAX_STRIDE - 6);
        struct wr_look look = {.stride = stride, .off = {(uint16_t)draw(&rng, stride - 3)}};
        look.off[1] = draw(&rng, 4) ? look.off[0] + 2 : (uint16_t)draw(&rng, stride - 1);
        uint8_t *set = malloc(n * stride + 1); /* of that size, so that a read behind it is seen */
        for (uint32_t i = 0; i < n * stride; i++)
            set[i] = (uint8_t)draw(&rng, 256);
        if (n && draw(&rng, 2)) {
            uint8_t *p = set + draw(&rng, n) * stride + look.off[draw(&rng, 2)];
            const int64_t port = ports[draw(&rng, nports)];
            p[0] = (uint8_t)(port >> 8);
            p[1] = (uint8_t)port;
        }
        const uint8_t *from = pass_over(dec->port_filter, &look, set, n);
        cr_assert(from >= set && from <= set + n * stride && (size_t)(from - set) % stride == 0);
        for (const uint8_t *at = set; at < from; at += stride)
            cr_assert(!is_wanted(ports, nports, at + look.off[0]) && !is_wanted(ports, nports, at + look.off[1]));
        *ret_stops += n >= 8 && from != set + n * stride;
        free(set);
    }
    wr_flow_decoder_free(dec);
}

static void holds(wr_pass_over *pass_over)
{
    int64_t ports[700];
    uint32_t few = 0, mail = 0, many = 0;
    static const int64_t some[] = {25, 110, 143, 465, 587, 993, 995, 2525};
    for (uint32_t i = 0; i < 700; i++)
        ports[i] = i * 91 % 65536;
    holds_for(some, 1, pass_over, &few);
    holds_for(some, 8, pass_over, &mail);
    holds_for(ports, 700, pass_over, &many);
    cr_assert(few < ROUNDS * 6 / 10 && mail < ROUNDS * 7 / 10, "%u and %u: nearly nothing is passed over", few, mail);
}

Test(look, what_the_best_way_passes_over_is_not_wanted)
{
    holds(wr_pass_over_best());
}

Test(look, what_the_plain_way_passes_over_is_not_wanted)
{
    holds(wr_pass_over_plain());
}
