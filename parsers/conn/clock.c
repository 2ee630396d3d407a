/* How far a device's clock is from the exporters', learned: the median of (event's time - flow's
 * start) over its newest matches that leave no choice. An event's time is moved by that before it
 * is matched; rows keep the time it told.
 *
 * Few samples, because a clock that is set right must count soon; a median, because a flow that was
 * met in its middle starts minutes after its event. */
#include "parsers/conn/table.h"

#include <string.h>

static const struct wr_hash_key clock_key = {0x776569722d636c6f, 0x636b2d6465766963};

static struct wr_clock *clock_at(const struct wr_conn *c, uint32_t i)
{
    return wr_pool_at(&c->clocks, i);
}

uint32_t wr_clock_device(const char *name, size_t len)
{
    uint32_t hash = (uint32_t)wr_hash(&clock_key, name, len);
    return hash ? hash : 1;
}

/* The device's clock, or WR_NONE. */
static uint32_t find(const struct wr_conn *c, uint32_t device)
{
    uint32_t hash = device, pos = hash, i;
    while ((i = wr_index_next(&c->by_device, hash, &pos)) != WR_NONE)
        if (clock_at(c, i)->device == device)
            break;
    return i;
}

void wr_clock_foresee_at(const struct wr_conn *c, uint32_t i)
{
    if (i < c->clocks.n)
        __builtin_prefetch(clock_at(c, i));
}

static int32_t median(const struct wr_clock *clock)
{
    int32_t v[WR_CLOCK_SAMPLES];
    uint32_t n = clock->n < WR_CLOCK_SAMPLES ? clock->n : WR_CLOCK_SAMPLES;
    memcpy(v, clock->ms, sizeof v);
    for (uint32_t i = 1; i < n; i++)
        for (uint32_t k = i; k && v[k - 1] > v[k]; k--) {
            int32_t t = v[k];
            v[k] = v[k - 1];
            v[k - 1] = t;
        }
    return v[(n - 1) / 2];
}

int64_t wr_clock_skew(const struct wr_conn *c, uint32_t device, uint32_t *i)
{
    if (!device)
        return 0;
    if (*i >= c->clocks.n || clock_at(c, *i)->device != device)
        *i = find(c, device);
    if (*i == WR_NONE || clock_at(c, *i)->n < WR_CLOCK_ENOUGH)
        return 0;
    return clock_at(c, *i)->skew_ms * INT64_C(1000000);
}

static bool is_off(const struct wr_clock *clock)
{
    return clock->n >= WR_CLOCK_ENOUGH &&
           (clock->skew_ms > WR_CLOCK_OFF_MS || clock->skew_ms < -WR_CLOCK_OFF_MS);
}

/* Beyond the bound the clocks start again from the oldest: all are learned anew within a few
 * connections. */
static enum wr_err get(struct wr_conn *c, uint32_t device, uint32_t *ret_i)
{
    *ret_i = find(c, device);
    if (*ret_i != WR_NONE)
        return WR_OK;
    if (c->clocks.n >= WR_CLOCKS_MAX) {
        uint32_t i = c->next_clock++ % WR_CLOCKS_MAX;
        struct wr_clock *old = clock_at(c, i);
        c->stats.clocks_off -= is_off(old);
        wr_index_del(&c->by_device, old->device, i);
        wr_who_give(c, old->name);
        memset(old, 0, sizeof *old);
        *ret_i = i;
    } else {
        *ret_i = wr_pool_take(&c->clocks);
    }
    if (*ret_i == WR_NONE || !wr_index_put(&c->by_device, device, *ret_i))
        return WR_ENOMEM;
    clock_at(c, *ret_i)->device = device;
    clock_at(c, *ret_i)->name = WR_NONE;
    return WR_OK;
}

/* The count goes on from the ring's length, so that it tells the next place and never overflows. */
static uint32_t next_place(const struct wr_clock *clock)
{
    return clock->n + 1 < 2 * WR_CLOCK_SAMPLES ? clock->n + 1 : WR_CLOCK_SAMPLES;
}

enum wr_err wr_clock_learn(struct wr_conn *c, uint32_t device, int64_t ahead_ns)
{
    int64_t ms = ahead_ns / 1000000;
    uint32_t i;
    if (!device || ms > INT32_MAX || ms < INT32_MIN)
        return WR_OK;
    enum wr_err err = get(c, device, &i);
    if (err)
        return err;
    struct wr_clock *clock = clock_at(c, i);
    bool same = clock->n >= WR_CLOCK_SAMPLES && clock->ms[clock->n % WR_CLOCK_SAMPLES] == (int32_t)ms;
    if (same) { /* as the one that it takes the place of */
        clock->n = next_place(clock);
        return WR_OK;
    }
    c->stats.clocks_off -= is_off(clock);
    clock->ms[clock->n % WR_CLOCK_SAMPLES] = (int32_t)ms;
    clock->n = next_place(clock);
    clock->skew_ms = median(clock);
    c->stats.clocks_off += is_off(clock);
    if (is_off(clock))
        return WR_OK;
    wr_who_give(c, clock->name); /* it is right (again) */
    clock->name = WR_NONE;
    clock->told = false;
    return WR_OK;
}

enum wr_err wr_clock_name(struct wr_conn *c, uint32_t device, struct wr_who name)
{
    uint32_t i = c->stats.clocks_off && device ? find(c, device) : WR_NONE;
    if (i == WR_NONE || !is_off(clock_at(c, i)) || clock_at(c, i)->name != WR_NONE)
        return WR_OK;
    return wr_who_take(c, name, &clock_at(c, i)->name);
}

static bool is_known(const struct wr_conn *c, uint32_t i)
{
    return is_off(clock_at(c, i)) && clock_at(c, i)->name != WR_NONE;
}

bool wr_conn_clock_news(struct wr_conn *conn, struct wr_who *ret_name, int32_t *ret_ms)
{
    for (uint32_t i = 0; conn->stats.clocks_off && i < conn->clocks.n; i++) {
        struct wr_clock *clock = clock_at(conn, i);
        if (!is_known(conn, i) || clock->told)
            continue;
        clock->told = true;
        *ret_name = wr_who_at(conn, clock->name);
        *ret_ms = clock->skew_ms;
        return true;
    }
    return false;
}

void wr_conn_clocks(const struct wr_conn *conn, struct wr_buf *out)
{
    for (uint32_t i = 0; conn->stats.clocks_off && i < conn->clocks.n; i++) {
        const struct wr_clock *clock = clock_at(conn, i);
        if (!is_known(conn, i))
            continue;
        struct wr_who name = wr_who_at(conn, clock->name);
        wr_buf_str(out, "{\"device\":");
        wr_json_str(out, (const char *)name.at, name.len);
        wr_buf_fmt(out, ",\"clock_ahead_ms\":%d}\n", (int)clock->skew_ms);
    }
}

void wr_clocks_save(const struct wr_conn *c, struct wr_buf *out)
{
    wr_buf_u32(out, c->clocks.n);
    wr_buf_u32(out, c->next_clock);
    for (uint32_t i = 0; i < c->clocks.n; i++) {
        const struct wr_clock *clock = clock_at(c, i);
        wr_buf_u32(out, clock->device);
        wr_buf_u8(out, (uint8_t)clock->n);
        for (int k = 0; k < WR_CLOCK_SAMPLES; k++)
            wr_buf_u32(out, (uint32_t)clock->ms[k]);
        struct wr_who name = wr_who_at(c, clock->name);
        wr_buf_blob(out, name.at, name.len);
    }
}

enum wr_err wr_clocks_load(struct wr_conn *c, struct wr_rd *rd)
{
    uint32_t n = wr_rd_u32(rd);
    c->next_clock = wr_rd_u32(rd);
    if (rd->err || n > WR_CLOCKS_MAX)
        return WR_ECORRUPT;
    c->stats.clocks_off = 0;
    while (n--) {
        struct wr_clock clock = {.device = wr_rd_u32(rd), .n = wr_rd_u8(rd)};
        for (int k = 0; k < WR_CLOCK_SAMPLES; k++)
            clock.ms[k] = (int32_t)wr_rd_u32(rd);
        uint32_t had = c->clocks.n, i;
        if (rd->err || !clock.device || !clock.n || clock.n >= 2 * WR_CLOCK_SAMPLES)
            return WR_ECORRUPT;
        enum wr_err err = get(c, clock.device, &i);
        if (err || c->clocks.n == had) /* a device twice */
            return err ? err : WR_ECORRUPT;
        struct wr_who name;
        name.at = wr_rd_blob(rd, &name.len);
        clock.skew_ms = median(&clock);
        clock.name = WR_NONE;
        if (rd->err || (name.len && !is_off(&clock)))
            return WR_ECORRUPT;
        if ((err = wr_who_take(c, name, &clock.name)))
            return err;
        *clock_at(c, i) = clock;
        c->stats.clocks_off += is_off(&clock);
    }
    return WR_OK;
}
