/* Flow messages in sequence, with state: input is {control, u16 length, message} again and again.
 * control: bit 0 JSON, bit 1 TCP session, bits 2-3 exporter, bits 4-5 port, bit 6 a port filter,
 * bit 7 half a minute passes. Some inputs also end in the counters' text, some in
 * the state directory: what costs more than decoding.
 *
 * A decoder's tables are far more than what an input fills, so one is made and then emptied each
 * time; some inputs are decoded again by one that has seen nothing and must give the same. How many
 * inputs had messages of which version is said at the end: each version has a parser of its own. */
#include "base/batch.h"
#include "base/buf.h"
#include "base/wire.h"
#include "parsers/flow/nat.h"
#include "parsers/flow/state.h"
#include "tests/fuzz/pick.h"

#include <inttypes.h>
#include <stdio.h>
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
static void empty(struct wr_flow_decoder *dec, bool look)
{
    for (uint32_t i = 0; dec->nexporters && i < dec->nbuckets; i++)
        while (dec->exporters[i])
            wr_exporter_drop(dec, dec->exporters[i]);
    wr_flow_hosts_free(dec->hosts);
    dec->hosts = wr_flow_hosts_new(dec->memory_bytes / 4);
    WR_ASSERT(dec->hosts);
    WR_ASSERT(dec->bytes == 0 && dec->held_bytes == 0 && dec->nexporters == 0 && dec->npends == 0);
    for (uint32_t i = 0; look && i < dec->nbuckets; i++)
        WR_ASSERT(!dec->exporters[i] && !dec->streams[i] && !dec->shared[i]);
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
    empty(other, true);
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

/* Inputs with a message of each version. */
enum { V1, V5, V7, V9, V10, SFLOW, OTHER, NVERSIONS };
static uint64_t inputs_of[NVERSIONS];

static void tell(void)
{
    static const char *const names[] = {"v1", "v5", "v7", "v9", "ipfix", "sflow", "other"};
    for (int v = 0; v < NVERSIONS; v++)
        fprintf(stderr, "inputs_with: %s %" PRIu64 "\n", names[v], inputs_of[v]);
}

static uint32_t version_of(const uint8_t *message, size_t len)
{
    static const uint8_t of[] = {OTHER, V1, OTHER, OTHER, OTHER, V5, OTHER, V7, OTHER, V9, V10};
    if (len < 4 || wr_be(message, 4) == 5)
        return len < 4 ? OTHER : SFLOW;
    uint64_t v = wr_be(message, 2);
    return v < sizeof of ? of[v] : OTHER;
}

/* Decodes all messages; returns a bit for each version that came. */
static uint32_t run(struct wr_flow_decoder *dec, const uint8_t *data, size_t size,
                    struct wr_flow_vec *rows, struct wr_buf *out)
{
    int64_t now = INT64_C(1790000000) * 1000000000;
    uint32_t versions = 0;
    wr_flow_vec_reset(rows);
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
        versions |= 1U << version_of(copy, len);
        WR_ASSERT(wr_flow_frame(copy, len) <= (int32_t)len);
        if (data[0] & 1)
            wr_flow_decode_json(dec, &peer, copy, len, now, out);
        else
            wr_flow_decode(dec, &peer, copy, len, now, rows);
        free(copy);
        data += 3 + len;
        size -= 3 + len;
    }
    wr_flow_session_end(dec, &(struct wr_flow_peer){.session = 7});
    check_stats(dec, rows);
    check_who(rows);
    WR_ASSERT(wr_utf8_valid(out->data ? out->data : "", out->len));
    return versions;
}

/* A decoder that has seen nothing gives the same rows, text and counters. */
static void check_kept(const struct wr_flow_decoder *dec, const uint8_t *data, size_t size,
                       const struct wr_flow_vec *rows, const struct wr_buf *out)
{
    static struct wr_flow_vec again;
    struct wr_buf text = {0};
    struct wr_flow_decoder *fresh = decoder_new();
    (void)run(fresh, data, size, &again, &text);
    WR_ASSERT(memcmp(&fresh->stats, &dec->stats, sizeof dec->stats) == 0);
    WR_ASSERT(again.n == rows->n &&
              (!rows->n || !memcmp(again.at, rows->at, rows->n * sizeof *rows->at)));
    WR_ASSERT(again.who.len == rows->who.len && again.mail.len == rows->mail.len);
    WR_ASSERT(text.len == out->len && (!text.len || !memcmp(text.data, out->data, text.len)));
    wr_buf_fini(&text);
    wr_flow_decoder_free(fresh);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wr_flow_decoder *dec;
    static struct wr_flow_vec rows;
    static struct wr_buf out;
    if (!dec) {
        dec = decoder_new();
        atexit(tell);
    }
    wr_buf_reset(&out);
    uint32_t versions = run(dec, data, size, &rows, &out);
    for (int v = 0; v < NVERSIONS; v++)
        inputs_of[v] += versions >> v & 1;
    if (one_in(32, data, size))
        check_kept(dec, data, size, &rows, &out);
    if (one_in(64, data, size)) {
        wr_flow_decoder_metrics(dec, &out);
        wr_flow_decoder_exporters(dec, INT64_C(1790003600) * 1000000000, &out);
    } else if (one_in(15, data, size)) {
        save_and_load(dec);
    }
    empty(dec, one_in(16, data, size));
    return 0;
}
