/* What a Forward receiver may answer, and the JSON that becomes a record: any bytes. */
#include "collector/sink/forward_wire.h"
#include "collector/sink/record.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct wr_forward_login login = {"self", "salt", "key", "user", "password"};
    struct wr_forward_helo helo = {0};
    char id[WR_FORWARD_ID + 1], refusal[WR_FORWARD_REASON];
    size_t used = 0;
    bool refused;
    if (!wr_forward_read_helo(data, size, &used, &helo) && used > size)
        abort();
    if (!wr_forward_read_pong(data, size, &helo, &login, &used, refusal) && used > size)
        abort();
    if (!wr_forward_read_ack(data, size, &used, id, &refused) && used > size)
        abort();
    struct wr_buf out = {0};
    if (!wr_record_json((const char *)data, size, &out) && !out.len)
        abort();
    wr_buf_fini(&out);
    return 0;
}
