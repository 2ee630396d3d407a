/* A few time zones of the system (tzdata), for tests below the collector. */
#ifndef WR_TESTS_SUPPORT_ZONES_H
#define WR_TESTS_SUPPORT_ZONES_H

#include "rules/fn/zone.h"

#include <stdio.h>

static inline void test_zones(wr_zone_take *take, void *ctx)
{
    static const char *const names[] = {"US/Pacific", "America/Chicago", "Europe/Paris", "Europe/Berlin", "Asia/Kathmandu",
                                        "Australia/Lord_Howe", "America/Santiago", "UTC"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[128];
        uint8_t bytes[65536];
        snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", names[i]);
        FILE *f = fopen(path, "rb");
        size_t n = f ? fread(bytes, 1, sizeof bytes, f) : 0;
        if (f)
            fclose(f);
        take(ctx, names[i], bytes, n);
    }
}

#endif
