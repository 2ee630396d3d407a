#include "base/batch.h"
#include "parsers/flow/state.h"

#include <stdlib.h>
#include <string.h>

struct wr_flow_decoder *wr_flow_decoder_new(const struct wr_flow_decoder_opts *opts)
{
    struct wr_flow_decoder *dec = calloc(1, sizeof *dec);
    if (!dec)
        return NULL;
    dec->memory_bytes = opts && opts->memory_bytes ? opts->memory_bytes : (size_t)64 << 20;
    dec->max_exporters = opts && opts->max_exporters ? opts->max_exporters : 16384;
    dec->evicted_ns = dec->swept_ns = INT64_MIN / 2;
    dec->nbuckets = 64;
    while (dec->nbuckets < dec->max_exporters && dec->nbuckets < 1 << 20)
        dec->nbuckets *= 2;
    dec->exporters = calloc(dec->nbuckets, sizeof *dec->exporters);
    dec->streams = calloc(dec->nbuckets, sizeof *dec->streams);
    dec->shared = calloc(dec->nbuckets, sizeof *dec->shared);
    dec->sets = calloc(dec->nbuckets, sizeof *dec->sets);
    dec->pend_of = calloc(65536, sizeof *dec->pend_of);
    dec->nlisted = opts ? opts->nlisted : 0;
    dec->listed = calloc(dec->nlisted + 1u, sizeof *dec->listed);
    if (dec->listed && dec->nlisted)
        memcpy(dec->listed, opts->listed, dec->nlisted * sizeof *dec->listed);
    dec->nrates = opts ? opts->nrates : 0;
    dec->rates = calloc(dec->nrates + 1u, sizeof *dec->rates);
    if (dec->rates && dec->nrates)
        memcpy(dec->rates, opts->rates, dec->nrates * sizeof *dec->rates);
    dec->own_hosts = !opts || !opts->hosts;
    dec->hosts = dec->own_hosts ? wr_flow_hosts_new(dec->memory_bytes / 4) : opts->hosts;
    dec->own_model = !opts || !opts->model;
    dec->model = dec->own_model ? wr_model_new() : opts->model;
    bool ok = dec->exporters && dec->streams && dec->shared && dec->sets && dec->pend_of && dec->listed && dec->rates && dec->hosts && dec->model;
    for (uint32_t i = 0; ok && i < WR_FLOW_NFIXED; i++) {
        dec->fixed[i] = wr_fixed_template(dec->model, i);
        ok = dec->fixed[i];
    }
    dec->hash_key = wr_hash_key_random();
    for (uint32_t i = 0; i < 4; i += 2) {
        const struct wr_hash_key key = wr_hash_key_random();
        dec->stream_key[i] = key.k0;
        dec->stream_key[i + 1] = key.k1;
    }
    if (!ok) {
        wr_flow_decoder_free(dec);
        return NULL;
    }
    return dec;
}

void wr_flow_decoder_free(struct wr_flow_decoder *dec)
{
    if (!dec)
        return;
    for (uint32_t i = 0; dec->exporters && dec->streams && i < dec->nbuckets; i++)
        while (dec->exporters[i])
            wr_exporter_drop(dec, dec->exporters[i]);
    if (dec->pend_of)
        wr_pends_drop(dec);
    free(dec->pends);
    free(dec->pend_of);
    free(dec->exporters);
    free(dec->streams);
    free(dec->shared);
    free(dec->sets);
    wr_stream_pool_fini(&dec->pool);
    free(dec->listed);
    free(dec->rates);
    free(dec->ports);
    if (dec->own_hosts)
        wr_flow_hosts_free(dec->hosts);
    wr_buf_fini(&dec->who_text);
    wr_batch_free(dec->mail);
    free(dec->port_filter);
    for (uint32_t i = 0; i < WR_FLOW_NFIXED; i++)
        wr_tmpl_free(dec->fixed[i]);
    if (dec->own_model)
        wr_model_free(dec->model);
    free(dec);
}

/* The predicate of a branch that ports can be held against; NULL = any port may pass. */
static const struct wr_pred *port_pred(const struct wr_branch *branch)
{
    for (uint32_t i = 0; i < branch->npreds; i++) {
        const struct wr_pred *p = &branch->preds[i];
        if (p->op == WR_PRED_IN_INT && (p->col == WR_DNE_RemotePort || p->col == WR_DNE_LocalPort))
            return p;
    }
    return NULL;
}

static bool is_wanted(const uint64_t *ports, uint32_t port)
{
    return ports[port / 64] >> (port % 64) & 1;
}

/* look.c; ports that follow each other are of one group. */
static void fill_filter(struct wr_port_filter *filter, const uint64_t *ports)
{
    uint32_t n = 0, k = 0;
    for (uint32_t i = 0; i < 65536 / 64; i++)
        n += (uint32_t)__builtin_popcountll(ports[i]);
    for (uint32_t port = 0; port < 65536; port++) {
        if (!is_wanted(ports, port))
            continue;
        const uint8_t group = (uint8_t)(1u << (uint64_t)k++ * 8 / n), octets[2] = {(uint8_t)(port >> 8), (uint8_t)port};
        filter->low[__builtin_bswap16((uint16_t)port) & (WR_FLOW_FILTER - 1)] = 1;
        for (int i = 0; i < 2; i++) {
            filter->halves[i][0][octets[i] & 15] |= group;
            filter->halves[i][1][octets[i] >> 4] |= group;
        }
    }
}

enum wr_err wr_flow_decoder_scan(struct wr_flow_decoder *dec, const struct wr_scan *scan)
{
    uint64_t *ports = NULL;
    struct wr_port_filter *filter = NULL;
    bool all = !scan;
    for (uint32_t b = 0; scan && b < scan->nbranches; b++)
        all |= !port_pred(&scan->branches[b]);
    if (!all) {
        ports = calloc(65536 / 64, sizeof *ports);
        filter = aligned_alloc(_Alignof(struct wr_port_filter), sizeof *filter);
        if (!ports || !filter) {
            free(ports);
            free(filter);
            return WR_ENOMEM;
        }
        for (uint32_t b = 0; b < scan->nbranches; b++) {
            const struct wr_pred *p = port_pred(&scan->branches[b]);
            for (uint32_t i = 0; i < p->n; i++)
                if (p->ints[i] >= 0 && p->ints[i] <= 65535)
                    ports[p->ints[i] / 64] |= UINT64_C(1) << (p->ints[i] % 64);
        }
        memset(filter, 0, sizeof *filter);
        fill_filter(filter, ports);
    }
    free(dec->ports);
    free(dec->port_filter);
    dec->ports = ports;
    dec->port_filter = filter;
    dec->keep_none = scan && scan->nbranches == 0;
    dec->by_ports = ports && !dec->keep_none;
    dec->pass_over = wr_pass_over_best();
    return WR_OK;
}

void wr_flow_decoder_who(struct wr_flow_decoder *dec, uint32_t kinds)
{
    dec->who_wanted = kinds;
}

enum wr_err wr_flow_decoder_mail(struct wr_flow_decoder *dec, const struct wr_colset *wanted)
{
    struct wr_batch *batch = wanted ? wr_batch_new(wr_schema_of(WR_TABLE_SMTP_MESSAGES), wanted, 1) : NULL;
    if (wanted && !batch)
        return WR_ENOMEM;
    wr_batch_free(dec->mail);
    dec->mail = batch;
    return WR_OK;
}

static bool dispatch(struct wr_msg *msg, enum wr_flow_reject *ret_why)
{
    if (msg->len < 2) {
        *ret_why = WR_FLOW_REJECT_truncated;
        return false;
    }
    msg->version = wr_be16(msg->data);
    switch (msg->version) {
    case 0: /* the upper half of sFlow's, which has 32 bits */
        if (msg->len >= 4 && wr_be32(msg->data) == 5)
            return wr_sflow_message(msg, ret_why);
        break;
    case WR_FLOW_V1:
        return wr_fixed_message(msg, 0, ret_why);
    case WR_FLOW_V5:
        return wr_fixed_message(msg, 1, ret_why);
    case WR_FLOW_V7:
        return wr_fixed_message(msg, 2, ret_why);
    case WR_FLOW_V9:
        return wr_v9_message(msg, ret_why);
    case WR_FLOW_IPFIX:
        return wr_ipfix_message(msg, ret_why);
    default:
        break;
    }
    *ret_why = WR_FLOW_REJECT_version;
    return false;
}

static __attribute__((noinline)) void refused(struct wr_msg *msg, enum wr_flow_reject why)
{
    if (!msg->exporter) /* garbage earns no exporter */
        msg->exporter = wr_exporter_find(msg->dec, msg->peer->addr);
    if (!msg->exporter)
        wr_stranger_refused(msg->dec, msg->peer->addr, why);
    WR_COUNT(msg, messages, 1);
    WR_COUNT(msg, rejected_messages, 1);
    WR_COUNT(msg, rejected_whole[why], 1);
    WR_REFUSED(msg, why);
}

static bool decode(struct wr_msg *msg)
{
    struct wr_flow_decoder *dec = msg->dec;
    dec->nwalks = dec->walked = 0;
    msg->rows_before = msg->rows ? msg->rows->n : 0;
    bool ok = dispatch(msg, &dec->why);
    if (ok) {
        dec->stats.messages++;
        dec->stats.ok++;
        msg->exporter->stats.messages++;
        msg->exporter->stats.ok++;
        wr_seq_note(msg);
        wr_life_note(msg);
        if (msg->learned)
            wr_learned_spread(msg);
    } else {
        refused(msg, dec->why);
    }
    if (dec->npends)
        wr_pends_drop(dec);
    return ok;
}

/* Zeroed field by field: the compiler's way for so much, a repeated string store, costs a fifth of a message. */
static inline void begin(struct wr_msg *msg, struct wr_flow_decoder *dec, const struct wr_flow_peer *peer,
                         const uint8_t *data, size_t len, int64_t now_ns)
{
    msg->dec = dec;
    msg->peer = peer;
    msg->exporter = NULL;
    msg->stream = NULL;
    msg->data = data;
    msg->len = len;
    msg->version = msg->count = 0;
    msg->domain = msg->seq = msg->uptime_ms = msg->header_rate = 0;
    msg->export_ns = 0;
    msg->now_ns = now_ns;
    msg->rows_before = msg->records = msg->list_items = msg->holds = msg->boots = 0;
    msg->unknown_sets = msg->learned = false;
    msg->rows = NULL;
    msg->json = NULL;
    msg->from = NULL;
}

bool wr_flow_decode(struct wr_flow_decoder *dec, const struct wr_flow_peer *peer, const uint8_t *data,
                    size_t len, int64_t now_ns, struct wr_flow_vec *out)
{
    struct wr_msg msg;
    begin(&msg, dec, peer, data, len, now_ns);
    msg.rows = out;
    return (dec->by_ports && wr_message_quick(&msg)) || decode(&msg);
}

uint32_t wr_flow_decode_train(struct wr_flow_decoder *dec, const struct wr_flow_coming *train, int64_t now_ns,
                              struct wr_flow_vec *out, uint64_t rejected_by[WR_FLOW_NREJECTS])
{
    const size_t segment = train->segment ? train->segment : train->len;
    uint32_t ok = 0;
    size_t at = 0;
    do { /* an empty datagram is one, too */
        const size_t len = train->len - at < segment ? train->len - at : segment;
        if (wr_flow_decode(dec, &train->peer, train->data + at, len, now_ns, out))
            ok++;
        else
            rejected_by[dec->why]++;
        at += len;
    } while (at < train->len);
    return ok;
}

bool wr_flow_decode_json(struct wr_flow_decoder *dec, const struct wr_flow_peer *peer, const uint8_t *data,
                         size_t len, int64_t now_ns, struct wr_buf *out)
{
    struct wr_msg msg;
    begin(&msg, dec, peer, data, len, now_ns);
    msg.json = out;
    return decode(&msg);
}

void wr_flow_session_end(struct wr_flow_decoder *dec, const struct wr_flow_peer *peer)
{
    struct wr_exporter *x = wr_exporter_find(dec, peer->addr);
    struct wr_stream *next;
    for (struct wr_stream *s = x && peer->session ? x->streams : NULL; s; s = next) {
        next = s->next_sibling;
        if (s->key.session == peer->session)
            wr_stream_drop(dec, s);
    }
    if (x && peer->session)
        wr_learned_forget(dec, x, peer->session);
}

bool wr_flow_session_untold(const struct wr_flow_decoder *dec, const struct wr_flow_peer *peer, int64_t now_ns)
{
    const struct wr_exporter *x = peer->session ? wr_exporter_find(dec, peer->addr) : NULL;
    bool untold = false;
    for (const struct wr_stream *s = x ? x->streams : NULL; s; s = s->next_sibling) {
        if (s->key.session != peer->session)
            continue;
        if (s->tmpls)
            return false;
        untold |= s->untold_ns && now_ns - s->untold_ns > WR_FLOW_HELD_NS;
    }
    return untold;
}

enum wr_flow_reject wr_flow_decoder_why(const struct wr_flow_decoder *dec)
{
    return dec->why;
}

const struct wr_flow_stats *wr_flow_decoder_stats(const struct wr_flow_decoder *dec)
{
    return &dec->stats;
}
