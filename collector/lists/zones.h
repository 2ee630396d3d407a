/* The time zones of the system: files of tzdata. */
#ifndef WR_COLLECTOR_LISTS_ZONES_H
#define WR_COLLECTOR_LISTS_ZONES_H

#include "rules/fn/zone.h"

/* For wr_zones_from(). */
wr_zone_each wr_system_zones;

#endif
