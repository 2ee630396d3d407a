#include "parsers/conn/address.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

Test(address, types_as_defender_names_them)
{
    static const char *const cases[][2] = {
        {"127.0.0.1", "Loopback"},
        {"10.1.2.3", "Private"},
        {"172.16.0.1", "Private"},
        {"172.31.255.255", "Private"},
        {"172.32.0.0", "Public"},
        {"172.15.255.255", "Public"},
        {"192.168.0.1", "Private"},
        {"192.167.255.255", "Public"},
        {"169.254.1.1", "Private"},
        {"100.64.0.1", "Reserved"},
        {"100.128.0.1", "Public"},
        {"224.0.0.251", "Reserved"},
        {"240.0.0.1", "Reserved"},
        {"255.255.255.255", "Broadcast"},
        {"0.0.0.0", "Reserved"},
        {"203.0.113.1", "Public"},
        {"8.8.8.8", "Public"},
        {"::1", "Loopback"},
        {"::", "Reserved"},
        {"fe80::1", "Private"},
        {"fd00::1", "Private"},
        {"ff02::1", "Reserved"},
        {"2001::1", "Teredo"},
        {"2001:db8::1", "Public"},
        {"2606:4700::1111", "Public"},
        {"::ffff:10.0.0.1", "Private"}, /* reads as IPv4 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t addr[16];
        bool v6;
        cr_assert(wr_address_parse(cases[i][0], strlen(cases[i][0]), addr, &v6), "%s", cases[i][0]);
        cr_expect_str_eq(wr_address_type(addr, v6), cases[i][1], "%s: %s", cases[i][0],
                         wr_address_type(addr, v6));
    }
    static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, 10, 0, 0, 1};
    cr_expect_str_eq(wr_address_type(mapped, true), "FourToSixMapping",
                     "as an exporter may send it");
}

Test(address, every_octet_as_inet_ntop_writes_it)
{
    for (unsigned octet = 0; octet < 256; octet++)
        for (int at = 0; at < 4; at++) {
            uint8_t addr[16] = {198, 51, 100, 7};
            char out[WR_ADDRESS_TEXT], bare[16], want[INET_ADDRSTRLEN];
            addr[at] = (uint8_t)octet;
            cr_assert_not_null(inet_ntop(AF_INET, addr, want, sizeof want));
            cr_expect_eq(wr_address_text(addr, false, out), strlen(want));
            cr_expect_str_eq(out, want);
            uint32_t number;
            memcpy(&number, addr, sizeof number);
            cr_expect_eq(wr_address_v4_text(ntohl(number), bare), strlen(want));
            char zeros[16] = {0};
            memcpy(zeros, want, strlen(want));
            cr_expect_eq(memcmp(bare, zeros, sizeof bare), 0, "zero behind it");
        }
}

Test(address, text_reads_back)
{
    static const char *const texts[] = {"0.0.0.0",           "255.255.255.255", "10.20.103.9",
                                        "2001:db8::1:0:0:1", "fe80::",          "::"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        uint8_t addr[16];
        bool v6;
        char out[WR_ADDRESS_TEXT];
        cr_assert(wr_address_parse(texts[i], strlen(texts[i]), addr, &v6));
        wr_address_text(addr, v6, out);
        cr_expect_str_eq(out, texts[i]);
    }
}

Test(address, zones_are_cut_and_rubbish_is_refused)
{
    uint8_t addr[16];
    bool v6;
    cr_expect(wr_address_parse("fe80::1%eth0", 12, addr, &v6));
    cr_expect(wr_address_parse("10.0.0.1 and more", 8, addr, &v6), "only the given length");
    static const char *const bad[] = {"",
                                      "%",
                                      "10.0.0",
                                      "10.0.0.256",
                                      "host.example",
                                      "1:2",
                                      "0000000000000000000000000000000000000000000000000"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not(wr_address_parse(bad[i], strlen(bad[i]), addr, &v6), "%s", bad[i]);
    cr_expect_not(wr_address_parse("10.0.0.1\0", 9, addr, &v6));
}

Test(address, protocols_by_name_and_number)
{
    static const struct {
        const char *text;
        int proto;
    } cases[] = {{"Tcp", 6},   {"TCP", 6},  {"udp", 17}, {"TcpV6", 6}, {"17", 17},
                 {"255", 255}, {"256", -1}, {"", -1},    {"x", -1}};
    char number[8];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t proto = 0;
        bool ok = wr_protocol_parse(cases[i].text, strlen(cases[i].text), &proto);
        cr_expect_eq(ok ? proto : -1, cases[i].proto, "%s", cases[i].text);
    }
    cr_expect_str_eq(wr_protocol_text(6, number), "Tcp");
    cr_expect_str_eq(wr_protocol_text(200, number), "200");
}

/* Dotted quads and what is nearly one: as the system's own reader takes them. */
Test(address, v4_as_the_system_reads_it)
{
    static const char alphabet[] = "0123456789...  -:";
    uint32_t state = 11, good = 0;
    for (uint32_t i = 0; i < 300000; i++) {
        char text[24];
        size_t len = 0;
        state = state * 1664525u + 1013904223u;
        if (i % 3) {
            len = (size_t)snprintf(text, sizeof text, "%u.%u.%u.%u", state >> 8 & 255, state >> 16 & 255, state >> 24, i % 300u);
            if (i % 3 == 2)
                text[(state >> 9) % len] = alphabet[(state >> 20) % (sizeof alphabet - 1)];
        } else {
            len = 7 + (state >> 28) % 9;
            for (size_t k = 0; k < len; k++, state = state * 1664525u + 1013904223u)
                text[k] = alphabet[(state >> 20) % 13];
            text[len] = '\0';
        }
        uint8_t addr[16], want[4];
        bool v6 = true, known = inet_pton(AF_INET, text, want) == 1;
        bool is = wr_address_parse(text, len, addr, &v6);
        cr_assert_eq(is && !v6, known, "%s", text);
        cr_assert(!known || memcmp(addr, want, 4) == 0, "%s", text);
        good += known;
    }
    cr_assert_gt(good, 50000);
}
