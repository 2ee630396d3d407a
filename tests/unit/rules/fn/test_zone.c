/* Time zones: the system's files, a rule of later years, and files that are wrong. */
#include "tests/unit/rules/exec/expect.h"

#include "tests/support/zones.h"

#include <stdlib.h>

Test(zone, local_times_follow_the_law)
{
    wr_zones_from(test_zones);
    expect(
        "datatable(t: datetime)[datetime(2026-03-29 00:59:59), datetime(2026-03-29 01:00), "
        "datetime(2026-10-25 00:59:59.9999999), "
        "datetime(2026-10-25 01:00), datetime(1850-01-01), datetime(2150-07-01), "
        "datetime(2150-12-01)] "
        "| project datetime_utc_to_local(t, 'Europe/Berlin')",
        "Column1;2026-03-29T01:59:59.0000000Z;2026-03-29T03:00:00.0000000Z;2026-10-25T02:59:59."
        "9999999Z;2026-10-25T02:00:00.0000000Z;"
        "1850-01-01T00:53:28.0000000Z;2150-07-01T02:00:00.0000000Z;2150-12-01T01:00:00.0000000Z");
    expect("print datetime_utc_to_local(datetime(2026-01-15), 'Asia/Kathmandu'), "
           "datetime_utc_to_local(datetime(2100-01-15), 'Australia/Lord_Howe'), "
           "datetime_utc_to_local(datetime(2100-07-15), 'America/Santiago'), "
           "datetime_utc_to_local(datetime(0001-01-01), 'America/Chicago')",
           "print_0|print_1|print_2|print_3;2026-01-15T05:45:00.0000000Z|2100-01-15T11:00:00."
           "0000000Z|2100-07-14T20:00:00.0000000Z|null");
}

Test(zone, an_hour_that_is_skipped_is_none_and_one_that_comes_twice_is_standard_time)
{
    wr_zones_from(test_zones);
    expect("print datetime_local_to_utc(datetime(2026-03-29 02:30), 'Europe/Berlin'), "
           "datetime_local_to_utc(datetime(2026-10-25 02:30), 'Europe/Berlin'), "
           "datetime_local_to_utc(datetime(2026-10-25 01:30), 'Europe/Berlin'), "
           "datetime_local_to_utc(datetime(2090-07-01), 'US/Pacific')",
           "print_0|print_1|print_2|print_3;null|2026-10-25T01:30:00.0000000Z|2026-10-24T23:30:00."
           "0000000Z|2090-07-01T07:00:00.0000000Z");
    expect("range i from 0 to 20000 step 7 | extend t = datetime(2024-01-01) + i * 1h | extend "
           "back = datetime_local_to_utc(datetime_utc_to_local(t, 'US/Pacific'), 'US/Pacific') "
           "| where back != t and back != t + 1h | count",
           "Count;0");
}

Test(zone, names_are_those_of_the_database)
{
    wr_zones_from(test_zones);
    refuse(
        "print datetime_utc_to_local(now(), 'Mars/Olympus')",
        "there is no such time zone; names are those of the IANA database, as \"Europe/Berlin\"");
    expect("datatable(z: string)['UTC', '', '../etc/passwd', 'europe/berlin'] | project "
           "datetime_utc_to_local(datetime(2026-01-01), z)",
           "Column1;2026-01-01T00:00:00.0000000Z;null;null;null");
    expect("print set_has_element(datetime_list_timezones(), 'Europe/Paris')", "print_0;True");
}

Test(zone, every_cut_and_changed_file_is_read_or_refused)
{
    static uint8_t bytes[65536], copy[65536];
    FILE *f = fopen("/usr/share/zoneinfo/Europe/Berlin", "rb");
    cr_assert_not_null(f, "tzdata is missing");
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    for (size_t cut = 0; cut < n; cut++) {
        struct wr_zone *z = wr_zone_parse("x", bytes, cut);
        cr_expect(!z || cut + 1 >= n, "a file cut at %zu", cut);
        wr_zone_free(z);
    }
    srand(7);
    for (int i = 0; i < 4000; i++) {
        for (size_t k = 0; k < n; k++)
            copy[k] = bytes[k];
        for (int k = 0; k < 3; k++)
            copy[(size_t)rand() % n] = (uint8_t)rand();
        struct wr_zone *z = wr_zone_parse("x", copy, n);
        int64_t utc;
        if (z && wr_zone_instant(z, 1800000000, &utc))
            cr_expect(wr_zone_offset(z, utc) + utc == 1800000000);
        wr_zone_free(z);
    }
}
