/* A Forward client of a stranger: any bytes, in two pieces, with and without a key. Every chunk that is through is
 * acknowledged once; nothing is read past what is there. */
#include "collector/ingest/forward.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_frame(void *ctx, const char *text, size_t len)
{
    *(uint64_t *)ctx += len + (len ? (unsigned char)text[len - 1] : 0);
}

static void on_bad(void *ctx)
{
    (void)ctx;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct wr_forward_listen config = {.shared_key = data[0] & 1 ? "k" : NULL, .self_hostname = "s"};
    size_t first = data[1] % size;
    data += 2;
    size -= 2;
    first = first > size ? size : first;
    struct wr_buf out = {0};
    uint64_t sum = 0;
    struct wr_forward_take take = {on_frame, on_bad, &sum};
    struct wr_forward_conn *conn = wr_forward_conn_new(&config, &out);
    if (!conn)
        return 0;
    size_t at = 0, steps = 0;
    for (size_t have = first;; have = size) {
        enum wr_forward_step step;
        do {
            size_t used = 0, n = have - at;
            bool chunk = false;
            uint8_t *copy = malloc(n + 1);
            memcpy(copy, data + at, n);
            step = wr_forward_conn_step(conn, copy, n, &take, &used, &chunk, &out);
            WR_ASSERT(used <= n && ++steps <= 16 * (size + 4096));
            if (chunk)
                wr_forward_conn_wait(conn, steps);
            if (steps % 3 == 0)
                wr_forward_conn_safe(conn, steps, &out);
            at += used;
            free(copy);
        } while (step == WR_FORWARD_WORKED);
        if (step == WR_FORWARD_BROKEN || have == size)
            break;
    }
    wr_forward_conn_safe(conn, UINT64_MAX, &out);
    WR_ASSERT(!wr_forward_conn_waits(conn));
    wr_forward_conn_free(conn);
    wr_buf_fini(&out);
    return 0;
}
