/* What the tests of complaints share: a template and rows of the usual flow, what is said of an
 * exporter. */
#ifndef TESTS_FLOW_COMPLAINTS_H
#define TESTS_FLOW_COMPLAINTS_H

#include "message.h"

static struct message m;
#define SECONDS(n) ((n)*INT64_C(1000000000))

static inline void told(struct bench *b, uint32_t seq)
{
    begin(&m, 10, seq, 1);
    TEMPLATE(&m, 256, FLOW_FIELDS);
    cr_assert(bench_send(b, &m));
}

static inline uint32_t rows(struct bench *b, uint32_t seq)
{
    uint32_t before = b->vec.n;
    begin(&m, 10, seq, 1);
    set(&m, 256);
    add_flow(&m, 1, 2, 3, 25, 7);
    set_end(&m);
    cr_assert(bench_send(b, &m));
    return b->vec.n - before;
}

static inline bool exporter_has(struct bench *b, const char *address, const char *text)
{
    struct wr_buf out = {0};
    char key[64];
    (void)snprintf(key, sizeof key, "\"exporter\":\"%s\"", address);
    wr_flow_decoder_exporters(b->dec, b->now_ns, &out);
    wr_buf_char(&out, 0);
    const char *line = strstr(out.data, key), *end = line ? strchr(line, '\n') : NULL;
    const char *at = line ? strstr(line, text) : NULL;
    bool has = at && at < end;
    cr_expect(has, "%s of %s in %s", text, address, out.data);
    wr_buf_fini(&out);
    return has;
}

static inline size_t template_bytes(const struct wr_flow_decoder *dec)
{
    struct wr_buf out = {0};
    wr_flow_decoder_metrics(dec, &out);
    wr_buf_char(&out, 0);
    const char *at = strstr(out.data, "\nweir_flow_template_bytes ");
    size_t bytes = at ? strtoul(at + 26, NULL, 10) : 0;
    wr_buf_fini(&out);
    return bytes;
}

#endif
