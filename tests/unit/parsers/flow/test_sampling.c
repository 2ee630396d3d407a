/* Sampling in every way that exporters tell it: the tenth complaint of tests/conformance.tsv.
 * Counters are scaled once, and never become 0. */
#include "message.h"

#include <string.h>

static struct message m;
enum { DOMAIN = 5, INTERFACE = 11, OCTETS = 100 };
struct field {
    uint32_t ie, len;
    uint64_t value;
};
#define END                                                                                        \
    {                                                                                              \
        0, 0, 0                                                                                    \
    }
enum { MOST = 4 };

/* The rate of a flow of IPFIX that names a sampler and an interface. */
static uint32_t rate_of(struct bench *b, struct field sampler)
{
    begin(&m, 10, 0, DOMAIN);
    TEMPLATE(&m, 256, FLOW_FIELDS, sampler.ie, sampler.len, 10, 2);
    set(&m, 256);
    add_flow(&m, 1, 2, 3, 25, OCTETS);
    put(&m, sampler.value, sampler.len);
    put(&m, INTERFACE, 2);
    set_end(&m);
    uint32_t before = b->vec.n;
    cr_assert(bench_send(b, &m));
    cr_assert_eq(b->vec.n, before + 1);
    const struct wr_flow *f = &b->vec.at[before];
    cr_expect_eq(f->octets[0], OCTETS * (uint64_t)f->sampling);
    return f->sampling;
}

/* An options record whose first field is its scope. */
static void tell(struct bench *b, struct field scope, const struct field *fields)
{
    uint32_t spec[2 * (1 + MOST)] = {scope.ie, scope.len};
    unsigned n = 1;
    for (; n <= MOST && fields[n - 1].len; n++) {
        spec[2 * n] = fields[n - 1].ie;
        spec[2 * n + 1] = fields[n - 1].len;
    }
    begin(&m, 10, 0, DOMAIN);
    add_options(&m, 300, spec, n);
    set(&m, 300);
    put(&m, scope.value, scope.len);
    for (unsigned i = 0; i + 1 < n; i++)
        put(&m, fields[i].value, fields[i].len);
    set_end(&m);
    cr_assert(bench_send(b, &m));
}

/* What says the rate. */
static const struct {
    struct field fields[MOST];
    uint32_t rate;
} said[] = {
    {{{34, 4, 10}, END}, 10},                /* samplingInterval */
    {{{50, 4, 20}, END}, 20},                /* samplerRandomInterval */
    {{{49, 1, 2}, {50, 2, 30}, END}, 30},    /* with its mode, shorter */
    {{{305, 4, 1}, {306, 4, 99}, END}, 100}, /* packets taken, packets left out */
    {{{305, 4, 2}, {306, 4, 98}, END}, 50},
    {{{309, 4, 2}, {310, 4, 512}, END}, 256},            /* n out of N */
    {{{311, 8, UINT64_C(0x3fa999999999999a)}, END}, 20}, /* a probability of 0.05 */
    {{{311, 4, 0x3d4ccccd}, END}, 20},                   /* of four octets */
    {{{34, 4, 0}, {50, 4, 64}, END}, 64},                /* an interval of 0 is none */
    {{{34, 4, UINT32_MAX}, END}, UINT32_MAX},
};
enum { NSAID = sizeof said / sizeof *said };

Test(sampling, every_statement_of_a_sampler_under_either_number_of_any_length)
{
    static const uint32_t lengths[] = {1, 2, 4, 8}, names[] = {48, 302};
    for (unsigned i = 0; i < NSAID; i++)
        for (unsigned k = 0; k < 8; k++) {
            struct bench b = bench_new();
            struct field told = {names[k % 2], lengths[k / 2], 3},
                         seen = {names[k % 2], lengths[3 - k / 2], 3};
            tell(&b, told, said[i].fields);
            cr_expect_eq(rate_of(&b, seen), said[i].rate, "statement %u of element %u: %u", i,
                         told.ie, b.vec.at[0].sampling);
            seen.value = 4;
            cr_expect_eq(rate_of(&b, seen), 1, "another sampler");
            bench_end(&b);
        }
}

Test(sampling, every_statement_of_an_interface)
{
    static const uint32_t names[] = {10, 14};
    for (unsigned i = 0; i < NSAID; i++)
        for (unsigned k = 0; k < 2; k++) {
            struct bench b = bench_new();
            tell(&b, (struct field){names[k], 4, INTERFACE}, said[i].fields);
            cr_expect_eq(rate_of(&b, (struct field){48, 1, 3}), said[i].rate, "statement %u", i);
            tell(&b, (struct field){names[k], 4, INTERFACE + 1}, said[0].fields);
            cr_expect_eq(rate_of(&b, (struct field){48, 1, 3}), said[i].rate,
                         "another interface's");
            bench_end(&b);
        }
}

Test(sampling, an_interval_of_0_changes_nothing)
{
    const struct field none[] = {{34, 4, 0}, END}, ten[] = {{34, 4, 10}, END},
                       taken_0[] = {{305, 4, 0}, {306, 4, 9}, END},
                       out_of_0[] = {{309, 4, 0}, {310, 4, 9}, END};
    const struct field *const zeros[] = {none, taken_0, out_of_0};
    for (unsigned i = 0; i < 3; i++) {
        struct bench b = bench_new();
        tell(&b, (struct field){48, 1, 3}, zeros[i]);
        cr_expect_eq(rate_of(&b, (struct field){48, 1, 3}), 1);
        tell(&b, (struct field){48, 1, 3}, ten);
        tell(&b, (struct field){48, 1, 3}, zeros[i]);
        cr_expect_eq(rate_of(&b, (struct field){48, 1, 3}), 10);
        bench_end(&b);
    }
}

static uint32_t v5_rate(struct bench *b, uint16_t mode_and_interval)
{
    m.len = 0;
    put(&m, 5, 2), put(&m, 1, 2), put(&m, UPTIME_MS, 4), put(&m, EXPORT_S, 4), put(&m, 0, 4),
        put(&m, 0, 4);
    put(&m, 0, 2), put(&m, mode_and_interval, 2);
    put(&m, 1, 4), put(&m, 2, 4), put(&m, 0, 4); /* source, destination, next hop */
    put(&m, 9, 2), put(&m, 9, 2);                /* interfaces that nobody described */
    put(&m, 1, 4), put(&m, OCTETS, 4), put(&m, UPTIME_MS - 9, 4), put(&m, UPTIME_MS - 5, 4);
    put(&m, 3, 2), put(&m, 25, 2), put(&m, 0, 1), put(&m, 2, 1), put(&m, 6, 1), put(&m, 0, 1);
    put(&m, 0, 4), put(&m, 0, 4);
    uint32_t before = b->vec.n;
    cr_assert(bench_send(b, &m));
    cr_assert_eq(b->vec.n, before + 1);
    cr_expect_eq(b->vec.at[before].octets[0], OCTETS * (uint64_t)b->vec.at[before].sampling);
    return b->vec.at[before].sampling;
}

/* Also with a table of samplers from the exporter's other version, and whatever the mode: Junos
 * sends an interval with mode 0. */
Test(sampling, the_header_of_v5)
{
    for (unsigned tables = 0; tables < 2; tables++) {
        struct bench b = bench_new();
        if (tables)
            tell(&b, (struct field){48, 1, 3}, said[0].fields);
        cr_expect_eq(v5_rate(&b, 1000), 1000);
        cr_expect_eq(v5_rate(&b, 1 << 14 | 100), 100);
        cr_expect_eq(v5_rate(&b, 2 << 14 | 100), 100);
        cr_expect_eq(v5_rate(&b, 1 << 14), 1);
        cr_expect_eq(v5_rate(&b, 0), 1);
        bench_end(&b);
    }
}
