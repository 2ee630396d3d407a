#ifndef WR_RULES_STREAM_DECORATE_H
#define WR_RULES_STREAM_DECORATE_H

#include "rules/load/rule.h"

/* Puts what the rule's file says into an alert whose cells are there: names, entities, details, overrides. */
void wr_alert_decorate(struct wr_alert *a, const struct wr_rule *rule);

#endif
