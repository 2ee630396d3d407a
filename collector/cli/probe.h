#ifndef WR_COLLECTOR_CLI_PROBE_H
#define WR_COLLECTOR_CLI_PROBE_H

#include "collector/cli/out.h"
#include "parsers/flow/decoder.h"
#include "parsers/log/log.h"

/* `weir probe`: what becomes of messages, told one by one; of a port the first of each kind, and at the end a count. */
enum { WR_PROBE_KINDS = 64, WR_PROBE_SHOWN = 3, WR_PROBE_UNUSED = 32, WR_PROBE_PATH = 512 };

/* Messages that became the same: one layout, one table. */
struct wr_probe_kind {
    char what[64]; /* the layout, or why there is none */
    const struct wr_schema *table;
    uint64_t n;
    uint64_t *filled; /* by column: in how many */
    char *unused[WR_PROBE_UNUSED];
    uint32_t nunused;
};

struct wr_probe {
    struct wr_mappings *mappings;
    struct wr_log *log;
    struct wr_maps maps;
    struct wr_json *json;
    struct wr_rows rows;
    struct wr_out out;
    uint64_t n, refused;
    uint32_t element; /* of the message at hand, when that is a list */
    bool live;          /* a port: the first of each kind are told */
    const char *source; /* of the message at hand, when live: "udp 192.0.2.1" */
    struct wr_probe_kind *kind, kinds[WR_PROBE_KINDS + 1]; /* the last: all others */
    uint32_t nkinds;
    struct wr_flow_decoder *flows; /* live */
    struct wr_flow_vec vec;
};

/* Counts a message and says whether it is to be told. */
bool wr_probe_kind_of(struct wr_probe *p, const char *what, const struct wr_schema *table);
/* A row of the last message: counted by column, and written when it is to be told. */
void wr_probe_row(struct wr_probe *p, const struct wr_batch *batch, bool told);
enum wr_err wr_probe_frame(struct wr_probe *p, const char *peer, const char *frame, size_t len, int64_t now_ns);
void wr_probe_fini_kinds(struct wr_probe *p);

/* What arrives on a UDP and TCP port until `count` messages came (0: without end), `seconds` have passed (0: without end),
 * or ^C; then the summary. The exit code. */
int wr_probe_listen(struct wr_probe *p, const char *address, uint32_t count, uint32_t seconds);

#endif
