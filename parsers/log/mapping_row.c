/* A record that a mapping takes becomes an event: its values by the mapping's picks, and what a connection's ends need. */
#include "parsers/log/mapping_internal.h"
#include "parsers/log/rows.h"

#include <string.h>

/* `10.1.2.3:51514->203.0.113.25:587`, local first; `[::1]:53`, `::1:53` too. */
static void end_of_tuple(struct wr_event *ev, const char *s, size_t len, uint16_t ip, uint16_t kind,
                         uint16_t port)
{
    const char *colon = memrchr(s, ':', len);
    if (!colon)
        return;
    struct wr_json_val addr = {.type = WR_JSON_STR, .len = (uint32_t)(colon - s), .s = s};
    if (addr.len > 2 && *s == '[') {
        addr.s++;
        addr.len -= 2;
    }
    if (!wr_event_has(ev, ip) && wr_event_take_ip(ev, &addr, ip, kind) && !wr_event_has(ev, port))
        wr_event_set_text(ev, port, colon + 1, (size_t)(s + len - colon) - 1);
}

static void tuple(struct wr_event *ev, const struct wr_json_val *v)
{
    const char *arrow = v && v->type == WR_JSON_STR ? memmem(v->s, v->len, "->", 2) : NULL;
    if (!arrow)
        return;
    size_t left = (size_t)(arrow - v->s);
    end_of_tuple(ev, v->s, left, WR_DNE_LocalIP, WR_DNE_LocalIPType, WR_DNE_LocalPort);
    end_of_tuple(ev, arrow + 2, v->len - left - 2, WR_DNE_RemoteIP, WR_DNE_RemoteIPType, WR_DNE_RemotePort);
}

/* The other end began the connection. A name of the remote end was one of the local end then. */
static void swap_ends(struct wr_event *ev)
{
    static const uint16_t pairs[][2] = {{WR_DNE_LocalIP, WR_DNE_RemoteIP},
                                        {WR_DNE_LocalIPType, WR_DNE_RemoteIPType},
                                        {WR_DNE_LocalPort, WR_DNE_RemotePort},
                                        {WR_DNE_SentBytes, WR_DNE_ReceivedBytes}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        uint16_t a = pairs[i][0], b = pairs[i][1];
        bool have_a = wr_colset_has(&ev->have, a), have_b = wr_colset_has(&ev->have, b);
        struct wr_json_val x = ev->val[a], y = ev->val[b];
        wr_event_unset(ev, a);
        wr_event_unset(ev, b);
        if (have_b)
            wr_event_set(ev, a, &y);
        if (have_a)
            wr_event_set(ev, b, &x);
    }
    wr_event_unset(ev, WR_DNE_RemoteUrl);
    if (wr_val_is(&ev->val[WR_DNE_ActionType], "ConnectionSuccess"))
        wr_event_set_text(ev, WR_DNE_ActionType, "InboundConnectionAccepted", 25);
}

/* Sensors write 0 for the port of a socket that is not bound yet, and ICMP's type and code where others have ports. */
static void no_ports(struct wr_event *ev)
{
    int64_t port;
    const struct wr_json_val *proto = &ev->val[WR_DNE_Protocol];
    if (wr_event_has(ev, WR_DNE_Protocol) && (wr_val_is(proto, "Icmp") || wr_val_is(proto, "IcmpV6"))) {
        wr_event_unset(ev, WR_DNE_LocalPort);
        wr_event_unset(ev, WR_DNE_RemotePort);
    } else if (!wr_event_has(ev, WR_DNE_LocalIP) && wr_event_has(ev, WR_DNE_LocalPort) &&
               wr_val_i64(&ev->val[WR_DNE_LocalPort], &port) && port == 0) {
        wr_event_unset(ev, WR_DNE_LocalPort);
    }
}

static bool is_needed(const struct map_pick *p, const struct wr_colset *need)
{
    return p->col == WR_TIME_COL || wr_colset_has(need, p->col) || (p->col2 != WR_NO_COL && wr_colset_has(need, p->col2));
}

/* The first value that is there, as it stands. */
static bool is_plain(const struct map_pick *p)
{
    return p->as == AS_IS && !p->until && !p->pair.s && !p->split.s && !p->join.s && !p->nchoices && !p->other.s;
}

static void fill_plain(const struct map_pick *p, struct wr_fields *f, struct wr_event *ev)
{
    uint32_t i = 0, mark = 0;
    while (i < p->nfrom && !(mark = wr_map_mark(f, p->from[i])) && !wr_map_value(f, p->from[i]))
        i++;
    if (mark)
        wr_event_set_mark(ev, p->col, mark);
    else if (i < p->nfrom)
        wr_event_set(ev, p->col, wr_map_value(f, p->from[i]));
}

/* What is read of the event's table: by who takes the rows, and by the filter before them. */
static struct wr_colset columns_read(const struct wr_event *ev)
{
    const struct wr_batch *b = ev->rows->of[ev->table];
    struct wr_colset need = ev->filter[ev->table].cols;
    for (size_t w = 0; b && w < sizeof need.bits / sizeof *need.bits; w++)
        need.bits[w] |= b->wanted.bits[w];
    return need;
}

/* Fills what somebody reads. */
static void fill_needed(const struct map_one *one, struct wr_fields *f, struct map_needed *needed, struct wr_event *ev)
{
    const struct wr_colset need = columns_read(ev);
    if (!needed->known || memcmp(&needed->need, &need, sizeof need) != 0) {
        *needed = (struct map_needed){.known = true, .need = need};
        for (uint32_t i = 0; i < one->npicks; i++) {
            needed->picks[i / 64] |= (uint64_t)is_needed(&one->picks[i], &need) << (i % 64);
            needed->plain[i / 64] |= (uint64_t)is_plain(&one->picks[i]) << (i % 64);
        }
    }
    ev->doc = f->doc;
    for (uint32_t w = 0; w < MAP_PICKS / 64; w++)
        for (uint64_t todo = needed->picks[w]; todo; todo &= todo - 1) {
            const struct map_pick *p = &one->picks[w * 64 + (unsigned)__builtin_ctzll(todo)];
            if (needed->plain[w] & todo & -todo)
                fill_plain(p, f, ev);
            else
                wr_map_fill(p, f, ev);
        }
}

enum wr_map wr_map_row(const struct map_one *one, struct wr_fields *f, struct map_needed *needed, struct wr_event *ev)
{
    wr_event_start(ev, one->table);
    f->looked_up |= one->recall.id || one->remember.id;
    if (one->recall.id) {
        wr_map_more_fields(f);
        wr_map_recall(f, &one->recall, ev);
    }
    if (one->remember.id)
        wr_map_remember(f, &one->remember, ev);
    bool connection = one->table == WR_TABLE_DEVICE_NETWORK_EVENTS;
    if (ev->rows && !connection && one->npicks <= MAP_PICKS)
        fill_needed(one, f, needed, ev);
    else
        for (uint32_t i = 0; i < one->npicks; i++)
            wr_map_fill(&one->picks[i], f, ev);
    if (one->tuple != MAP_NO_FIELD)
        tuple(ev, wr_map_value(f, one->tuple));
    if (!wr_event_has(ev, WR_TIME_COL) || !wr_val_time(wr_event_val(ev, WR_TIME_COL), &ev->time) ||
        (connection && (!wr_event_has(ev, WR_DNE_ActionType) || !wr_event_has(ev, WR_DNE_RemoteIP))))
        return WR_MAP_MISSING;
    if (wr_map_swapped(one, f))
        swap_ends(ev);
    if (connection)
        no_ports(ev);
    if (connection && !wr_event_has(ev, WR_DNE_RemoteIP))
        return WR_MAP_MISSING;
    ev->dup_keys += f->dup_keys;
    f->dup_keys = 0; /* counted with the first row */
    return WR_MAP_DATA;
}
