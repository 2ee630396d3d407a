/* Flow messages in sequence, with state: input is {control, u16 length, message} again and again.
 * control: bit 0 JSON, bit 1 TCP session, bits 2-3 exporter, bits 4-5 port, bit 6 a port filter,
 * bit 7 half a minute passes. Some inputs, by their length, also end in the counters' text, some in
 * the state directory: what costs more than decoding.
 *
 * A decoder's tables are far more than what an input fills, so one is made and then emptied each
 * time. */
#include "base/batch.h"
#include "base/buf.h"
#include "base/wire.h"
#include "parsers/flow/nat.h"
#include "parsers/flow/state.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_stats(const struct wr_flow_decoder *dec, const struct wr_flow_vec *rows)
{
    const struct wr_flow_stats *s = wr_flow_decoder_stats(dec);
    uint64_t whole = 0;
    for (int r = 0; r < WR_FLOW_NREJECTS; r++)
        whole += s->rejected_whole[r];
    WR_ASSERT(whole == s->rejected_messages);
    WR_ASSERT(s->messages == s->ok + s->rejected_messages);
    WR_ASSERT(s->records == s->rows + s->filtered_early + s->not_flows + s->no_memory);
    WR_ASSERT(s->rows == rows->n);
    WR_ASSERT(s->sets_held >= s->sets_released + s->sets_dropped);
    for (uint32_t i = 0; i < rows->n; i++)
        WR_ASSERT(rows->at[i].start_ns > 0 && rows->at[i].end_ns >= rows->at[i].start_ns &&
                  rows->at[i].sampling);
}

/* What flows say of process and host is well formed, each kind once. */
static void check_who(const struct wr_flow_vec *rows)
{
    for (uint32_t i = 0; i < rows->n; i++) {
        struct wr_who who = wr_flow_who(rows, &rows->at[i]);
        WR_ASSERT((rows->at[i].who != 0) == (who.len != 0));
        enum wr_who_kind kind;
        const char *text;
        uint32_t len, seen = 0;
        while (wr_who_next(&who, &kind, &text, &len)) {
            WR_ASSERT(!(seen & wr_who_bit(kind)) && len);
            WR_ASSERT(kind == WR_WHO_NAT ? len == sizeof(struct wr_nat) : wr_utf8_valid(text, len));
            seen |= wr_who_bit(kind);
        }
        WR_ASSERT(who.len == 0);
    }
}

static void set_filter(struct wr_flow_decoder *dec, bool on)
{
    const int64_t ports[] = {25, 53, 443};
    const struct wr_pred pred = {
        .col = WR_DNE_RemotePort, .op = WR_PRED_IN_INT, .n = 3, .ints = ports};
    const struct wr_branch branch = {.preds = &pred, .npreds = 1};
    const struct wr_scan scan = {.branches = &branch, .nbranches = 1};
    if (on != (dec->ports != NULL))
        WR_ASSERT(wr_flow_decoder_scan(dec, on ? &scan : NULL) == WR_OK);
}

static struct wr_flow_decoder *decoder_new(void)
{
    static struct wr_model *model; /* nothing that comes in changes it */
    model = model ? model : wr_model_new();
    const struct wr_flow_decoder_opts opts = {
        .memory_bytes = 4 << 20, .max_exporters = 3, .model = model};
    struct wr_flow_decoder *dec = wr_flow_decoder_new(&opts);
    const struct wr_colset mail = wr_colset_all(wr_schema_of(WR_TABLE_SMTP_MESSAGES));
    WR_ASSERT(dec && wr_flow_decoder_mail(dec, &mail) == WR_OK);
    return dec;
}

/* As new, but for its settings; whatever an input brought is freed, and nothing is charged for it
 * any more. */
static void empty(struct wr_flow_decoder *dec)
{
    for (uint32_t i = 0; i < dec->nbuckets; i++)
        while (dec->exporters[i])
            wr_exporter_drop(dec, dec->exporters[i]);
    wr_names_fini(&dec->hosts, &dec->bytes);
    WR_ASSERT(dec->bytes == 0 && dec->held_bytes == 0 && dec->nexporters == 0 && dec->npends == 0);
    for (uint32_t i = 0; i < dec->nbuckets; i++)
        WR_ASSERT(!dec->streams[i] && !dec->shared[i]);
    dec->hosts = (struct wr_names){0};
    dec->stats = dec->others = (struct wr_flow_stats){0};
    dec->nstrangers = 0;
    dec->last = NULL;
    dec->evicted_ns = dec->swept_ns = INT64_MIN / 2;
}

static void save_and_load(const struct wr_flow_decoder *dec)
{
    static struct wr_flow_decoder *other;
    struct wr_buf saved = {0};
    other = other ? other : decoder_new();
    wr_flow_decoder_save(dec, &saved);
    WR_ASSERT(wr_flow_decoder_load(other, saved.data, saved.len) == WR_OK);
    empty(other);
    wr_buf_fini(&saved);
}

/* The messages as they would lie in a batch that was received together. */
static void foresee(struct wr_flow_decoder *dec, const uint8_t *data, size_t size)
{
    struct wr_flow_coming coming[WR_FLOW_FORESEEN];
    uint32_t n = 0;
    for (size_t len; size >= 3 && n < WR_FLOW_FORESEEN; data += 3 + len, size -= 3 + len) {
        len = (size_t)wr_be(data + 1, 2);
        len = len < size - 3 ? len : size - 3;
        if (data[0] & 2)
            continue;
        coming[n] = (struct wr_flow_coming){
            .peer = {.port = (uint16_t)(data[0] >> 4 & 3)}, .data = data + 3, .len = len};
        coming[n++].peer.addr[15] = (uint8_t)(data[0] >> 2 & 3);
    }
    wr_flow_foresee(dec, coming, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wr_flow_decoder *dec;
    static struct wr_flow_vec rows;
    struct wr_buf out = {0};
    int64_t now = INT64_C(1790000000) * 1000000000;
    const size_t kind = size % 16;
    dec = dec ? dec : decoder_new();
    wr_flow_vec_reset(&rows);
    foresee(dec, data, size);
    while (size >= 3) {
        struct wr_flow_peer peer = {.port = (uint16_t)(data[0] >> 4 & 3),
                                    .session = data[0] & 2 ? 7 : 0};
        size_t len = (size_t)wr_be(data + 1, 2);
        peer.addr[15] = (uint8_t)(data[0] >> 2 & 3);
        if (len > size - 3)
            len = size - 3;
        now += data[0] & 0x80 ? INT64_C(31000000000) : 1000;
        set_filter(dec, data[0] & 0x40);
        wr_flow_decoder_who(dec,
                            data[0] & 0x40 ? UINT32_MAX & ~wr_who_bit(WR_WHO_FIELDS) : UINT32_MAX);
        uint8_t *copy = malloc(len ? len : 1); /* its own block: a read past it is seen */
        memcpy(copy, data + 3, len);
        WR_ASSERT(wr_flow_frame(copy, len) <= (int32_t)len);
        if (data[0] & 1)
            wr_flow_decode_json(dec, &peer, copy, len, now, &out);
        else
            wr_flow_decode(dec, &peer, copy, len, now, &rows);
        free(copy);
        data += 3 + len;
        size -= 3 + len;
    }
    check_stats(dec, &rows);
    check_who(&rows);
    WR_ASSERT(wr_utf8_valid(out.data ? out.data : "", out.len));
    if (kind == 0) {
        wr_flow_decoder_metrics(dec, &out);
        wr_flow_decoder_exporters(dec, now, &out);
    } else if (kind % 8 == 1) {
        save_and_load(dec);
    }
    wr_flow_session_end(dec, &(struct wr_flow_peer){.session = 7});
    empty(dec);
    wr_buf_fini(&out);
    return 0;
}
