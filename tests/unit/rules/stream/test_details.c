/* What a Sentinel rule makes of an alert: custom details, and name, text, severity, tactics from the row. */
#include "rules/load/rule.h"
#include "rules/rules.h"

#include "base/ticks.h"

#include <criterion/criterion.h>

static struct wr_buf json;

/* What was said of the rule and, when it loads, the alert of one syslog row, as JSON. */
static const char *alert_of(const char *extra, const char *host, const char *message)
{
    struct wr_diags diags;
    struct wr_buf rule = {0};
    struct wr_ruleset *set = wr_ruleset_new();
    struct wr_colset all = wr_colset_all(wr_schema_of(WR_TABLE_SYSLOG));
    struct wr_batch *b = wr_batch_new(wr_schema_of(WR_TABLE_SYSLOG), &all, 1);
    int64_t t;
    cr_assert(wr_diags_init(&diags) && set && b && wr_ticks_parse_iso("2026-11-24T10:00:00Z", 20, &t));
    wr_buf_fmt(&rule, "id: a\nname: plain\ndescription: said\nseverity: Low\ntactics: [Impact]\n%squery: |\n"
                      "  Syslog | project HostName, SyslogMessage, n = strlen(SyslogMessage)\n", extra);
    wr_buf_reset(&json);
    enum wr_err err = wr_ruleset_add(set, "r.yaml", rule.data, rule.len, &diags);
    wr_diags_print(&diags, &json);
    if (err == WR_OK) {
        wr_batch_row(b);
        wr_batch_set_i64(b, WR_SYSLOG_TimeGenerated, 0, t);
        cr_assert(wr_batch_set_str(b, WR_SYSLOG_HostName, 0, host, strlen(host)));
        cr_assert(wr_batch_set_str(b, WR_SYSLOG_SyslogMessage, 0, message, strlen(message)));
        wr_batch_seal(b);
        struct wr_engine *e = wr_engine_new(set, NULL);
        cr_assert(e && wr_engine_consume(e, WR_TABLE_SYSLOG, b, t) == WR_OK);
        struct wr_alert *a = wr_engine_alerts(e);
        cr_assert(a && !a->next);
        wr_alert_json(a, &json);
        wr_alerts_free(a);
        wr_engine_free(e);
    }
    wr_buf_char(&json, '\0');
    wr_batch_free(b);
    wr_ruleset_unref(set);
    wr_diags_fini(&diags);
    wr_buf_fini(&rule);
    return json.data;
}

static void has(const char *text)
{
    cr_expect(strstr(json.data, text), "no %s in\n%s", text, json.data);
}

Test(details, a_rule_without_them_shows_its_own)
{
    alert_of("", "ws-1", "high");
    has("\"message\":\"plain\"");
    has("\"severity\":\"Low\"");
    has("\"description\":\"said\"");
    has("\"tactics\":[\"Impact\"]");
    has("\"details\":{}");
    wr_buf_fini(&json);
}

Test(details, columns_replace_what_the_rule_says)
{
    alert_of("customDetails:\n  Length: n\n  Where: HostName\n"
             "alertDetailsOverride:\n  alertDisplayNameFormat: 'On {{HostName}}: {{ n }} letters'\n"
             "  alertDescriptionFormat: '{{SyslogMessage}}'\n  alertSeverityColumnName: SyslogMessage\n"
             "  alertTacticsColumnName: HostName\n"
             "  alertDynamicProperties:\n    - alertProperty: ProductName\n      value: HostName\n",
             "Collection", "hIGH");
    has("\"message\":\"On Collection: 4 letters\"");
    has("\"rule_name\":\"plain\"");
    has("\"severity\":\"High\"");
    has("\"description\":\"hIGH\"");
    has("\"tactics\":[\"Collection\"]");
    has("\"details\":{\"Length\":4,\"Where\":\"Collection\",\"ProductName\":\"Collection\"}");
    wr_buf_fini(&json);
}

Test(details, a_value_that_is_none_leaves_the_rules_own)
{
    alert_of("alertDetailsOverride:\n  alertDescriptionFormat: '{{HostName}}'\n  alertSeverityColumnName: SyslogMessage\n",
             "", "no severity");
    has("\"severity\":\"Low\"");
    has("\"description\":\"said\"");
    wr_buf_fini(&json);
}

Test(details, mistakes_are_told)
{
    alert_of("alertDetailsOverride:\n  alertDisplayNameFormat: '{{n}}{{n}}{{n}}{{n}}'\n", "", "");
    has("takes three columns at most");
    wr_buf_fini(&json);
}

Test(details, a_column_that_the_result_lacks_is_left_out)
{
    alert_of("customDetails:\n  Length: m\n  Long: n\nalertDetailsOverride:\n  alertSeverityColumnName: Severity\n"
             "  alertDisplayNameFormat: 'of {{threshold}}'\n",
             "ws-1", "high");
    has("\"details\":{\"Long\":4}");
    has("\"message\":\"plain\"");
    has("\"severity\":\"Low\"");
    wr_buf_fini(&json);
}
