/* Where geo_info_from_ip_address() looks. Whoever has a database implements it. */
#ifndef WR_RULES_FN_GEO_H
#define WR_RULES_FN_GEO_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct wr_geo_info {
    const char *country, *state, *city; /* borrowed until the next call; NULL: unknown; not NUL-terminated */
    uint32_t country_len, state_len, city_len;
    bool has_place;
    double latitude, longitude;
};

struct wr_geo {
    /* False: nothing is known about the address (`family` 4 or 6; network order). Called from one thread. */
    bool (*find)(const struct wr_geo *geo, int family, const uint8_t *addr, struct wr_geo_info *ret);
};

#endif
