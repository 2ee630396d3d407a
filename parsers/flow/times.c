/* Start and end of a flow from whatever the record says about time. The first source that is there and not
 * zero wins, each end by itself: absolute, uptime, distance from the export, firewall event; then the
 * duration from the other end; then the export time, marked approximate. Nothing is ever 1970. Elements: RFC
 * 7011 6.1.7-6.1.10, RFC 5102 5.9. */
#include "parsers/flow/state.h"

#define NTP_1970 INT64_C(2208988800) /* seconds from 1900 to 1970 */
#define MAX_SWAP_NS (INT64_C(0x7fffffff) * 1000000)

/* Seconds of 32 bits begin anew in 2106 (RFC 7011 5.2): from a year before on they are the ones nearest to now. */
static int64_t in_era(int64_t now_ns, uint32_t s)
{
    const int64_t wrap = INT64_C(1) << 32, now = now_ns / WR_SECOND_NS;
    int64_t era = now < WR_FLOW_LATE_S ? 0 : (now - s + wrap / 2) / wrap;
    return s + era * wrap;
}

void wr_export_time_odd(struct wr_msg *msg, uint32_t secs, uint32_t nsecs)
{
    int64_t s = in_era(msg->now_ns, secs);
    msg->export_ns = s >= WR_FLOW_YEAR_2000 ? s * WR_SECOND_NS + nsecs : msg->now_ns;
}

static int64_t of_seconds(const struct wr_msg *msg, uint64_t s)
{
    return s && s <= UINT32_MAX ? in_era(msg->now_ns, (uint32_t)s) * WR_SECOND_NS : 0;
}

static int64_t of_milliseconds(uint64_t ms)
{
    return ms < (uint64_t)(INT64_MAX / 1000000) ? (int64_t)ms * 1000000 : 0;
}

/* NTP 32.32 (RFC 7011 6.1.9, 6.1.10); seconds with a clear top bit belong to the era after 2036-02-07. */
static int64_t of_ntp(uint64_t t, bool micro)
{
    if (!t)
        return 0;
    uint64_t fraction = t & UINT32_MAX;
    if (micro)
        fraction &= ~UINT64_C(0x7ff);
    int64_t s = (int64_t)(t >> 32);
    if (!(t >> 63))
        s += INT64_C(1) << 32;
    return (s - NTP_1970) * WR_SECOND_NS + (int64_t)((fraction * (uint64_t)WR_SECOND_NS) >> 32);
}

/* v5 and v9 give the uptime at export: signed, so both sides of the 49.7-day wrap are right. */
static int64_t of_sysuptime(const struct wr_msg *msg, uint64_t up)
{
    int64_t ago = (int32_t)(msg->uptime_ms - (uint32_t)up);
    return msg->export_ns - ago * 1000000;
}

static int64_t of_uptime(const struct wr_msg *msg, const struct wr_plan *plan, const uint64_t *v, uint64_t up,
                         bool *ret_guess)
{
    int64_t boot = plan->have & WR_T(INIT_MS) ? of_milliseconds(v[WR_T_INIT_MS]) : 0;
    if (!boot && msg->version == WR_FLOW_IPFIX)
        boot = msg->stream->init_ns;
    if (!boot || msg->version != WR_FLOW_IPFIX) {
        *ret_guess = msg->version == WR_FLOW_IPFIX;
        return of_sysuptime(msg, up);
    }
    int64_t t = boot + (int64_t)(uint32_t)up * 1000000;
    const int64_t wrap = (INT64_C(1) << 32) * 1000000;
    if (msg->export_ns - t > wrap / 2) /* the counter has wrapped since boot, maybe more than once */
        t += (msg->export_ns - t + wrap / 2) / wrap * wrap;
    return t;
}

/* One end: `k` is 0 for the start, 1 for the end; the targets alternate. */
static int64_t one_end(const struct wr_msg *msg, const struct wr_plan *plan, const uint64_t *v, unsigned k,
                       bool *ret_guess)
{
    uint64_t have = plan->have >> k;
    int64_t t = 0;
    if (have & WR_T(START_MS))
        t = of_milliseconds(v[WR_T_START_MS + k]);
    if (!t && have & WR_T(START_NS))
        t = of_ntp(v[WR_T_START_NS + k], false);
    if (!t && have & WR_T(START_US))
        t = of_ntp(v[WR_T_START_US + k], true);
    if (!t && have & WR_T(START_S))
        t = of_seconds(msg, v[WR_T_START_S + k]);
    if (!t && have & WR_T(START_UP))
        t = of_uptime(msg, plan, v, v[WR_T_START_UP + k], ret_guess);
    if (!t && have & WR_T(START_DELTA))
        t = msg->export_ns - (int64_t)(v[WR_T_START_DELTA + k] & UINT32_MAX) * 1000;
    return t > 0 ? t : 0;
}

static int64_t event_time(const struct wr_msg *msg, const struct wr_plan *plan, const uint64_t *v)
{
    int64_t t = 0;
    if (plan->have & WR_T(EVENT_MS))
        t = of_milliseconds(v[WR_T_EVENT_MS]);
    if (!t && plan->have & WR_T(EVENT_NS))
        t = of_ntp(v[WR_T_EVENT_NS], false);
    if (!t && plan->have & WR_T(EVENT_US))
        t = of_ntp(v[WR_T_EVENT_US], true);
    if (!t && plan->have & WR_T(EVENT_S))
        t = of_seconds(msg, v[WR_T_EVENT_S]);
    return t;
}

static int64_t duration(const struct wr_plan *plan, const uint64_t *v)
{
    if (plan->have & WR_T(DURATION_MS))
        return (int64_t)(v[WR_T_DURATION_MS] & UINT32_MAX) * 1000000;
    if (plan->have & WR_T(DURATION_US))
        return (int64_t)(v[WR_T_DURATION_US] & UINT32_MAX) * 1000;
    return 0;
}

static bool in_future(struct wr_msg *msg, int64_t *t)
{
    if (*t - WR_FLOW_AHEAD_NS <= msg->export_ns)
        return false;
    *t = msg->export_ns;
    WR_COUNT(msg, clock_future, 1);
    return true;
}

/* Both ends as the record has them; 0 = not there. False: a guess. */
static bool raw_times(const struct wr_msg *msg, const struct wr_plan *plan, const uint64_t *v, int64_t *start,
                      int64_t *end)
{
    const uint64_t events = WR_T(EVENT_S) | WR_T(EVENT_MS) | WR_T(EVENT_US) | WR_T(EVENT_NS);
    bool guess = false;
    if (plan->times == WR_TIMES_MS) {
        *start = of_milliseconds(v[WR_T_START_MS]);
        *end = of_milliseconds(v[WR_T_END_MS]);
        return true;
    }
    if (plan->times == WR_TIMES_UPTIME && msg->version != WR_FLOW_IPFIX) {
        *start = of_sysuptime(msg, v[WR_T_START_UP]);
        *end = of_sysuptime(msg, v[WR_T_END_UP]);
        return true;
    }
    *start = one_end(msg, plan, v, 0, &guess);
    *end = one_end(msg, plan, v, 1, &guess);
    if (!*end && plan->have & events)
        *end = event_time(msg, plan, v); /* a firewall's event: its start, if any, is the connection's */
    return !guess;
}

void wr_times_set(struct wr_msg *msg, const struct wr_plan *plan, const uint64_t *v, struct wr_flow *flow)
{
    int64_t start, end;
    bool guess = !raw_times(msg, plan, v, &start, &end);
    if (start <= 0 && end <= 0) {
        start = end = flow->export_ns;
        guess = true;
    } else if (end <= 0) {
        end = start + duration(plan, v);
    } else if (start <= 0) {
        int64_t span = duration(plan, v);
        start = span < end ? end - span : end;
    }
    guess |= in_future(msg, &start);
    guess |= in_future(msg, &end);
    if (end < start) {
        int64_t t = start;
        start = end;
        if (t - end < MAX_SWAP_NS)
            end = t;
    }
    flow->start_ns = start;
    flow->end_ns = end;
    if (guess)
        flow->flags |= WR_FLOW_TIME_APPROX;
}
