/* A byte stream of a stranger, whole and in pieces: every byte is counted once, frames lie in the
 * input, and without wrong counts the frames do not depend on how the bytes arrived. The first byte
 * is the size of the pieces and, in its upper bit, a small limit. */
#include "base/buf.h"
#include "parsers/log/log.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(struct wr_framing *f, const char *data, size_t len, size_t step, struct wr_buf *out)
{
    size_t at = 0, have = step < len ? step : len;
    for (;;) {
        const char *frame;
        size_t n, took = wr_framing_next(f, data + at, have - at, have == len, &frame, &n);
        WR_ASSERT(took <= have - at && (frame ? took > 0 : n == 0));
        if (frame) {
            WR_ASSERT(frame >= data + at && frame + n <= data + at + took);
            WR_ASSERT(!f->max_frame || n <= f->max_frame);
            wr_buf_blob(out, frame, (uint32_t)n);
        }
        at += took;
        if (took)
            continue;
        if (have == len)
            break;
        have = len - have < step ? len : have + step;
    }
    WR_ASSERT(at == len && f->stats.bytes == len);
    WR_ASSERT(f->stats.bytes == f->stats.frame_bytes + f->stats.framing_bytes +
                                    f->stats.filler_bytes + f->stats.skipped_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t step = (*data & 0x7f) + 1u, max = *data & 0x80 ? 16 : 0;
    const char *text = (const char *)data + 1;
    size--;
    struct wr_framing whole = {.max_frame = max}, pieces = {.max_frame = max};
    static struct wr_buf a, b;
    wr_buf_reset(&a);
    wr_buf_reset(&b);
    run(&whole, text, size, size ? size : 1, &a);
    run(&pieces, text, size, step, &b);
    if (!whole.stats.octet_count_wrong)
        WR_ASSERT(a.len == b.len && (a.len == 0 || !memcmp(a.data, b.data, a.len)));

    size_t pos = 0, n;
    const char *frame;
    while (wr_datagram_next(text, size, &pos, &frame, &n))
        WR_ASSERT(n > 0 && frame + n == text + pos && pos <= size);
    return 0;
}
