/* Streams in blocks of 128: what a message reads of its stream lies near what the next one reads of another, where
 * blocks from malloc would have each on pages of its own. A freed one waits for the next stream. */
#include "parsers/flow/state.h"

#include <sanitizer/asan_interface.h> /* its macros do nothing without the sanitizer */
#include <stdlib.h>
#include <string.h>

enum { STREAM_BYTES = (sizeof(struct wr_stream) + WR_FLOW_LINE - 1) / WR_FLOW_LINE * WR_FLOW_LINE, PER_CHUNK = 128 };

struct wr_stream_chunk {
    _Alignas(WR_FLOW_LINE) uint8_t streams[PER_CHUNK][STREAM_BYTES];
    struct wr_stream_chunk *next;
};

static bool grow(struct wr_stream_pool *pool)
{
    struct wr_stream_chunk *chunk = aligned_alloc(WR_FLOW_LINE, sizeof *chunk);
    if (!chunk)
        return false;
    chunk->next = pool->chunks;
    pool->chunks = chunk;
    for (uint32_t i = PER_CHUNK; i-- > 0;)
        wr_stream_block_give(pool, (struct wr_stream *)(void *)chunk->streams[i]);
    return true;
}

struct wr_stream *wr_stream_block_take(struct wr_stream_pool *pool)
{
    if (!pool->free && !grow(pool))
        return NULL;
    struct wr_stream *s = pool->free;
    ASAN_UNPOISON_MEMORY_REGION(s, STREAM_BYTES);
    pool->free = s->next_hash;
    memset(s, 0, STREAM_BYTES);
    return s;
}

void wr_stream_block_give(struct wr_stream_pool *pool, struct wr_stream *stream)
{
    stream->next_hash = pool->free;
    pool->free = stream;
    ASAN_POISON_MEMORY_REGION(stream, STREAM_BYTES);
}

void wr_stream_pool_fini(struct wr_stream_pool *pool)
{
    for (struct wr_stream_chunk *chunk; (chunk = pool->chunks);) {
        pool->chunks = chunk->next;
        ASAN_UNPOISON_MEMORY_REGION(chunk, sizeof *chunk);
        free(chunk);
    }
    *pool = (struct wr_stream_pool){0};
}
