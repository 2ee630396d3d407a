#ifndef WR_COLLECTOR_STATE_LOG_FORMAT_H
#define WR_COLLECTOR_STATE_LOG_FORMAT_H

/* Layout that writer (log.c) and reader (log_replay.c) share; drawn in log.h. */

#include <stddef.h>
#include <stdint.h>

#define WR_WAL_MAGIC "WEIRLOG2"
enum { WR_WAL_SEGMENT_HEAD = 32, WR_WAL_HEAD = 32, WR_WAL_MARK = 0x5752474c };

/* What records hold, tables' columns and flow records, as a number: records of another shape are not read. */
uint32_t wr_wal_shape(void);
/* Of a segment header's first 24 bytes and its shape. */
uint32_t wr_wal_head_crc(const uint8_t *head);
uint32_t wr_wal_crc(uint64_t segment, const uint8_t *head, const void *bytes, size_t len);

static inline void wr_le_put(uint8_t *out, uint64_t v, int n)
{
    for (int i = 0; i < n; i++)
        out[i] = (uint8_t)(v >> (8 * i));
}

static inline uint64_t wr_le(const uint8_t *in, int n)
{
    uint64_t v = 0;
    for (int i = n - 1; i >= 0; i--)
        v = v << 8 | in[i];
    return v;
}

#endif
