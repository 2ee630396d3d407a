/* The meter against an independent one: sessions.tsv was made by other code from the same captures.
 */
#include "parsers/capture/capture.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIR WR_SOURCE_DIR "/tests/data/mail/"
#define SECOND INT64_C(1000000000)

static uint8_t *slurp(const char *name, size_t *ret_len)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s%s", DIR, name);
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f, "%s", path);
    cr_assert_eq(fseek(f, 0, SEEK_END), 0);
    long n = ftell(f);
    rewind(f);
    uint8_t *data = malloc((size_t)n + 1);
    cr_assert_eq(fread(data, 1, (size_t)n, f), (size_t)n);
    data[n] = 0;
    fclose(f);
    *ret_len = (size_t)n;
    return data;
}

static struct wr_flow_vec meter_file(const char *name, int64_t *ret_first_ns)
{
    size_t len;
    uint8_t *data = slurp(name, &len);
    struct wr_capture cap;
    struct wr_packet p;
    struct wr_flow_vec out = {0};
    struct wr_meter *m = wr_meter_new();
    cr_assert_eq(wr_capture_open(&cap, data, len), WR_OK);
    *ret_first_ns = 0;
    while (wr_capture_next(&cap, &p)) {
        if (!*ret_first_ns)
            *ret_first_ns = p.time_ns;
        cr_assert_eq(wr_meter_packet(m, &p, &out), WR_OK);
    }
    cr_assert_eq(wr_meter_flush(m, &out), WR_OK);
    cr_expect_eq(cap.malformed, 0, "%s: %lu malformed", name, (unsigned long)cap.malformed);
    wr_meter_free(m);
    free(data);
    return out;
}

struct session {
    char file[64], src[48], dst[48];
    double start;
    unsigned sport, dport, up, down, flags_up;
    unsigned long octets_up, octets_down;
};

static bool same(const struct session *s, const struct wr_flow *f, int64_t first_ns)
{
    char src[48], dst[48];
    int family = f->flags & WR_FLOW_V6 ? AF_INET6 : AF_INET;
    (void)inet_ntop(family, f->src, src, sizeof src);
    (void)inet_ntop(family, f->dst, dst, sizeof dst);
    int64_t start_us = (int64_t)(s->start * 1e6 + 0.5);
    return !strcmp(src, s->src) && !strcmp(dst, s->dst) && f->sport == s->sport &&
           f->dport == s->dport && f->packets[0] == s->up && f->packets[1] == s->down &&
           f->octets[0] == s->octets_up && f->octets[1] == s->octets_down &&
           f->tcp_flags == s->flags_up && llabs((f->start_ns - first_ns) / 1000 - start_us) <= 1;
}

static uint32_t tcp_flows(const struct wr_flow_vec *v)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < v->n; i++)
        n += v->at[i].proto == 6;
    return n;
}

Test(meter, every_capture_gives_the_sessions_of_the_independent_meter)
{
    size_t len;
    char *text = (char *)slurp("sessions.tsv", &len), *save = NULL;
    char now[64] = "";
    struct wr_flow_vec v = {0};
    int64_t first_ns = 0;
    uint32_t listed = 0, files = 0;
    (void)strtok_r(text, "\n", &save);
    for (char *line = strtok_r(NULL, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        struct session s;
        double duration;
        unsigned long payload[2];
        int n = sscanf(line, "%63s %lf %lf %47s %u %47s %u %u %u %lu %lu %lu %lu %x", s.file,
                       &s.start, &duration, s.src, &s.sport, s.dst, &s.dport, &s.up, &s.down,
                       &s.octets_up, &s.octets_down, &payload[0], &payload[1], &s.flags_up);
        cr_assert_eq(n, 14, "%s", line);
        if (strcmp(now, s.file) != 0) {
            cr_expect_eq(tcp_flows(&v), listed, "%s", now);
            wr_flow_vec_fini(&v);
            v = meter_file(s.file, &first_ns);
            memcpy(now, s.file, sizeof now);
            listed = 0;
            files++;
        }
        listed++;
        bool found = false;
        for (uint32_t i = 0; i < v.n && !found; i++)
            found = same(&s, &v.at[i], first_ns);
        cr_expect(found, "%s", line);
    }
    cr_expect_eq(tcp_flows(&v), listed, "%s", now);
    cr_expect_eq(files, 17);
    wr_flow_vec_fini(&v);
    free(text);
}

static struct wr_packet packet(int64_t time_ns, uint8_t proto, uint8_t flags, bool up)
{
    struct wr_packet p = {.time_ns = time_ns, .proto = proto, .tcp_flags = flags, .ip_octets = 100};
    p.src[0] = p.dst[0] = 10;
    p.src[3] = up ? 1 : 2;
    p.dst[3] = up ? 2 : 1;
    p.sport = up ? 40000 : 25;
    p.dport = up ? 25 : 40000;
    return p;
}

/* Feeds packets given as (time in ms, proto, flags, up) and flushes. */
static struct wr_flow_vec feed(const int (*list)[4], size_t n)
{
    struct wr_meter *m = wr_meter_new();
    struct wr_flow_vec out = {0};
    for (size_t i = 0; i < n; i++) {
        struct wr_packet p = packet(SECOND + list[i][0] * INT64_C(1000000), (uint8_t)list[i][1],
                                    (uint8_t)list[i][2], list[i][3]);
        cr_assert_eq(wr_meter_packet(m, &p, &out), WR_OK);
    }
    cr_assert_eq(wr_meter_flush(m, &out), WR_OK);
    wr_meter_free(m);
    return out;
}
#define FEED(...)                                                                                  \
    feed((const int[][4]){__VA_ARGS__}, sizeof((const int[][4]){__VA_ARGS__}) / sizeof(int[4]))

Test(meter, syn_ack_first_means_the_receiver_began)
{
    struct wr_flow_vec v = FEED({0, 6, 0x12, 0}, {1, 6, 0x10, 1});
    cr_assert_eq(v.n, 1);
    cr_expect_eq(v.at[0].dport, 25);
    cr_expect(v.at[0].flags & WR_FLOW_INITIATOR_KNOWN);
    wr_flow_vec_fini(&v);
}

Test(meter, without_syn_the_first_sender_is_the_source_but_not_known)
{
    struct wr_flow_vec v = FEED({0, 6, 0x18, 0}, {1, 6, 0x10, 1});
    cr_assert_eq(v.n, 1);
    cr_expect_eq(v.at[0].sport, 25);
    cr_expect_not(v.at[0].flags & WR_FLOW_INITIATOR_KNOWN);
    wr_flow_vec_fini(&v);
}

Test(meter, syn_after_the_end_is_a_new_connection_and_a_late_ack_is_not)
{
    struct wr_flow_vec v = FEED({0, 6, 2, 1}, {1, 6, 0x12, 0}, {2, 6, 0x11, 1}, {3, 6, 0x11, 0},
                                {4, 6, 0x10, 1}, {500, 6, 2, 1});
    cr_assert_eq(v.n, 2);
    cr_expect_eq(v.at[0].packets[0], 3);
    cr_expect_eq(v.at[0].end_reason, 3);
    cr_expect_eq(v.at[1].packets[0], 1);
    wr_flow_vec_fini(&v);
}

Test(meter, syn_again_without_an_end_is_a_retransmission)
{
    struct wr_flow_vec v = FEED({0, 6, 2, 1}, {1000, 6, 2, 1}, {3000, 6, 2, 1});
    cr_assert_eq(v.n, 1);
    cr_expect_eq(v.at[0].packets[0], 3);
    wr_flow_vec_fini(&v);
}

Test(meter, udp_ends_after_15_s_of_silence)
{
    struct wr_flow_vec v = FEED({0, 17, 0, 1}, {15000, 17, 0, 0}, {30001, 17, 0, 1});
    cr_assert_eq(v.n, 2);
    cr_expect_eq(v.at[0].packets[0] + v.at[0].packets[1], 2);
    cr_expect_eq(v.at[0].end_reason, 1);
    wr_flow_vec_fini(&v);
}

Test(meter, active_timeout_slices_and_keeps_the_direction)
{
    struct wr_flow_vec v = FEED({0, 6, 2, 1}, {1, 6, 0x12, 0}, {1000000, 6, 0x18, 1},
                                {1800000, 6, 0x18, 0}, {2000000, 6, 0x18, 1});
    cr_assert_eq(v.n, 2);
    cr_expect_eq(v.at[0].end_reason, 2);
    cr_expect_eq(v.at[0].octets[0], 200);
    cr_expect_eq(v.at[1].dport, 25, "the second slice begins with the server's packet");
    cr_expect_eq(v.at[1].start_ns, SECOND + 1800 * SECOND);
    cr_expect_eq(v.at[1].octets[1], 100);
    wr_flow_vec_fini(&v);
}

Test(meter, a_packet_from_the_past_counts_as_now)
{
    struct wr_flow_vec v = FEED({5000, 17, 0, 1}, {1000, 17, 0, 0});
    cr_assert_eq(v.n, 1);
    cr_expect_eq(v.at[0].start_ns, v.at[0].end_ns);
    wr_flow_vec_fini(&v);
}

Test(meter, beyond_its_bound_the_longest_silent_flow_goes)
{
    struct wr_meter *m = wr_meter_new();
    struct wr_flow_vec out = {0};
    enum { BOUND = 262144 };
    for (uint32_t i = 0; i < BOUND + 3; i++) {
        struct wr_packet p = packet(SECOND, 17, 0, true);
        p.src[1] = (uint8_t)(i >> 16);
        p.src[2] = (uint8_t)(i >> 8);
        p.src[3] = (uint8_t)i;
        cr_assert_eq(wr_meter_packet(m, &p, &out), WR_OK);
    }
    cr_assert_eq(out.n, 3);
    cr_expect_eq(out.at[0].end_reason, 5);
    cr_expect_eq(out.at[2].src[3], 2, "in the order of their last packets");
    cr_assert_eq(wr_meter_flush(m, &out), WR_OK);
    cr_expect_eq(out.n, BOUND + 3);
    wr_flow_vec_fini(&out);
    wr_meter_free(m);
}
