/* Counters as Prometheus text (exposition format 0.0.4), one time series per exporter. */
#include "parsers/flow/state.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

struct metric {
    const char *name, *help;
    size_t at; /* in struct wr_flow_stats */
};
#define AT(field) offsetof(struct wr_flow_stats, field)
static const struct metric metrics[] = {
    {"messages", "Messages received", AT(messages)},
    {"messages_ok", "Messages decoded", AT(ok)},
    {"records", "Data records decoded", AT(records)},
    {"rows", "Flow rows delivered", AT(rows)},
    {"filtered_early", "Records no rule wants, by port", AT(filtered_early)},
    {"not_flows", "Data records that are no flow", AT(not_flows)},
    {"no_memory", "Records lost to a failed allocation", AT(no_memory)},
    {"no_memory_names", "Names of options tables that memory had no room for", AT(no_memory_names)},
    {"mail_rows", "Rows of SmtpMessages from flow records", AT(mail_rows)},
    {"type_records_ignored", "Explanations of elements (RFC 5610) that were not believed", AT(type_records_ignored)},
    {"options_records", "Options records", AT(options_records)},
    {"sets_held", "Data sets kept until their template comes", AT(sets_held)},
    {"sets_released", "Kept data sets decoded later", AT(sets_released)},
    {"sets_dropped", "Kept data sets given up", AT(sets_dropped)},
    {"set_no_record", "Data sets without one whole record", AT(set_no_record)},
    {"unknown_ie", "Template fields that no model knows", AT(unknown_ie)},
    {"field_len_illegal", "Template fields of a length their type cannot have", AT(field_len_illegal)},
    {"sampling_unknown", "Records naming a sampler that nobody described", AT(sampling_unknown)},
    {"clock_future", "Times more than 5 minutes after their export", AT(clock_future)},
    {"counter_samples", "sFlow samples of interface counters", AT(counter_samples)},
    {"discards", "Packets that exporters say they dropped (sFlow)", AT(discards)},
    {"other_samples", "sFlow samples that are neither flow, discard nor counters", AT(other_samples)},
    {"templates", "Templates learned", AT(templates)},
    {"templates_changed", "Templates that replaced another", AT(templates_changed)},
    {"templates_expired", "Templates that were not told again for three times their refresh", AT(templates_expired)},
    {"seq_lost", "Units missing by sequence number", AT(seq_lost)},
    {"seq_dup", "Messages out of order or twice", AT(seq_dup)},
    {"seq_reset", "Sequence restarts", AT(seq_reset)},
};
static const char *const reasons[] = {
#define X(name, text) #name,
    WR_FLOW_REJECTS(X)
#undef X
};

static void addr_text(const uint8_t *addr, char *text)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (memcmp(addr, mapped, 12) == 0)
        inet_ntop(AF_INET, addr + 12, text, INET6_ADDRSTRLEN);
    else
        inet_ntop(AF_INET6, addr, text, INET6_ADDRSTRLEN);
}

static uint64_t value_at(const struct wr_flow_stats *stats, size_t at)
{
    uint64_t v;
    memcpy(&v, (const uint8_t *)stats + at, sizeof v);
    return v;
}

static void series(struct wr_buf *out, const char *name, const uint8_t *addr, const char *reason, uint64_t v)
{
    char text[INET6_ADDRSTRLEN] = "other";
    if (reason && !v)
        return; /* reasons that never occurred would only be noise */
    if (addr)
        addr_text(addr, text);
    wr_buf_fmt(out, "weir_flow_%s_total{exporter=\"%s\"", name, text);
    if (reason)
        wr_buf_fmt(out, ",reason=\"%s\"", reason);
    wr_buf_fmt(out, "} %" PRIu64 "\n", v);
}

/* `less` is taken off: 0, or where what refused whole messages is counted too. */
static void each_exporter(const struct wr_flow_decoder *dec, struct wr_buf *out, const struct metric *m,
                          const char *reason, size_t less)
{
    for (uint32_t i = 0; i < dec->nbuckets; i++)
        for (const struct wr_exporter *x = dec->exporters[i]; x; x = x->next_hash)
            series(out, m->name, x->addr, reason,
                   value_at(&x->stats, m->at) - (less ? value_at(&x->stats, less) : 0));
    series(out, m->name, NULL, reason,
           value_at(&dec->others, m->at) - (less ? value_at(&dec->others, less) : 0));
}

static void each_stranger(const struct wr_flow_decoder *dec, struct wr_buf *out, const char *name, int why)
{
    for (uint32_t i = 0; i < dec->nstrangers; i++) {
        const struct wr_stranger *s = &dec->strangers[i];
        uint64_t sum = 0;
        for (int r = 0; r < WR_FLOW_NREJECTS; r++)
            sum += why < 0 || why == r ? s->refused[r] : 0;
        series(out, name, s->addr, why < 0 ? NULL : reasons[why], sum);
    }
}

void wr_flow_decoder_metrics(const struct wr_flow_decoder *dec, struct wr_buf *out)
{
    for (uint32_t i = 0; i < dec->nbuckets; i++)
        for (struct wr_exporter *x = dec->exporters[i]; x; x = x->next_hash)
            wr_exporter_settle(x);
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++) {
        wr_buf_fmt(out, "# HELP weir_flow_%s_total %s.\n# TYPE weir_flow_%s_total counter\n", metrics[i].name,
                   metrics[i].help, metrics[i].name);
        each_exporter(dec, out, &metrics[i], NULL, 0);
        if (metrics[i].at == AT(messages))
            each_stranger(dec, out, metrics[i].name, -1);
    }
    wr_buf_str(out, "# HELP weir_flow_messages_rejected_total Messages refused whole.\n"
                    "# TYPE weir_flow_messages_rejected_total counter\n");
    for (int r = 0; r < WR_FLOW_NREJECTS; r++) {
        struct metric m = {.name = "messages_rejected",
                           .at = AT(rejected_whole) + (size_t)r * sizeof(uint64_t)};
        each_exporter(dec, out, &m, reasons[r], 0);
        each_stranger(dec, out, m.name, r);
    }
    wr_buf_str(out,
               "# HELP weir_flow_parts_refused_total Templates, lists and counts refused in good messages.\n"
               "# TYPE weir_flow_parts_refused_total counter\n");
    for (int r = 0; r < WR_FLOW_NREJECTS; r++) {
        size_t at = (size_t)r * sizeof(uint64_t);
        struct metric m = {.name = "parts_refused", .at = AT(rejected) + at};
        each_exporter(dec, out, &m, reasons[r], AT(rejected_whole) + at);
    }
    wr_buf_fmt(out,
               "# HELP weir_flow_exporters Exporters known.\n# TYPE weir_flow_exporters gauge\n"
               "weir_flow_exporters %" PRIu32 "\n",
               dec->nexporters);
    wr_buf_fmt(out,
               "# HELP weir_flow_template_bytes Memory for templates and held data.\n"
               "# TYPE weir_flow_template_bytes gauge\nweir_flow_template_bytes %zu\n",
               dec->bytes);
}
