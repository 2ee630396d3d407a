/* Text and packed rows that come from strangers or from disk: times, UTF-8, rows. */
#include "base/batch.h"
#include "base/buf.h"
#include "base/ticks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    static struct wr_buf out; /* kept, with the batch: making them takes longer than using them */
    static struct wr_batch *batch;
    int64_t ticks;
    wr_buf_reset(&out);
    if (wr_ticks_parse_iso(text, size, &ticks))
        wr_ticks_datetime(&out, ticks);
    wr_json_str(&out, text, size);
    wr_buf_printable(&out, text, size);
    WR_ASSERT(wr_utf8_valid(out.data, out.len));

    const struct wr_schema *schema = wr_schema_of(WR_TABLE_DEVICE_NETWORK_EVENTS);
    struct wr_colset wanted = wr_colset_all(schema);
    batch = batch ? batch : wr_batch_new(schema, &wanted, 1);
    WR_ASSERT(batch != NULL);
    if (wr_row_unpack(batch, data, size) == WR_OK) {
        wr_buf_reset(&out);
        wr_row_pack(batch, 0, &out);
    } else {
        WR_ASSERT(batch->nrows == 0);
    }
    WR_ASSERT(wr_batch_reset(batch));
    return 0;
}
