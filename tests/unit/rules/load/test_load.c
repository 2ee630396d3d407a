#include "base/ticks.h"
#include "base/yaml.h"
#include "rules/load/rule.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static struct wr_diags diags;
static struct wr_buf out;
static struct wr_ruleset *set;

static void setup(void)
{
    cr_assert(wr_diags_init(&diags));
    set = wr_ruleset_new();
    cr_assert(set);
}

static void teardown(void)
{
    wr_ruleset_unref(set);
    wr_diags_fini(&diags);
    wr_buf_fini(&out);
}

TestSuite(load, .init = setup, .fini = teardown);

static enum wr_err add(const char *name, const char *text)
{
    return wr_ruleset_add(set, name, text, strlen(text), &diags);
}

static const char *messages(void)
{
    wr_buf_reset(&out);
    wr_diags_print(&diags, &out);
    wr_buf_char(&out, '\0');
    return out.data;
}

static char *slurp(const char *path)
{
    FILE *f = fopen(path, "rb");
    cr_assert(f, "%s", path);
    char *text = calloc(1, 65536);
    cr_assert_gt(fread(text, 1, 65535, f), 0);
    fclose(f);
    return text;
}

#define RULE(extra, query) "id: a\nname: b\n" extra "query: |\n  " query "\n"
#define DNE                                                                                        \
    "DeviceNetworkEvents | where Timestamp > ago(1h) | summarize n = count() by RemoteIP | where " \
    "n > 3"

Test(load, the_library_rule_is_the_seed_byte_for_byte)
{
    char *yaml = slurp(WR_SOURCE_DIR "/rules/library/T1071.003-mail-protocols.yaml");
    char *kql = slurp(WR_SOURCE_DIR "/tests/data/rules/T1071.003.kql");
    struct wr_yaml *file = wr_yaml_new("r.yaml", yaml, strlen(yaml), &diags);
    cr_assert(file);
    cr_expect_str_eq(wr_yaml_get(file->docs[0], "query")->text, kql);
    wr_yaml_free(file);

    cr_assert_eq(add("r.yaml", yaml), WR_OK, "%s", messages());
    cr_assert_eq(wr_ruleset_count(set), 1);
    const struct wr_rule *rule = wr_ruleset_rule(set, 0);
    cr_expect_str_eq(rule->severity, "High");
    cr_expect_str_eq(rule->confidence, "high");
    cr_assert_eq(rule->ntactics, 1);
    cr_expect_str_eq(rule->tactics[0], "CommandAndControl");
    cr_assert_eq(rule->ntechniques, 2);
    cr_expect_str_eq(rule->techniques[0], "T1071");
    cr_expect_str_eq(rule->techniques[1], "T1071.003");
    cr_expect_eq(rule->plan->mode, WR_MODE_INCREMENTAL);
    cr_expect_eq(rule->plan->window, WR_TICKS_DAY);
    cr_expect_eq(rule->frequency, WR_TICKS_HOUR);
    cr_assert_eq(rule->nentities, 4);
    cr_expect_str_eq(rule->entities[2].type, "IP");
    cr_expect_str_eq(rule->plan->root->schema->cols[rule->entities[2].col].name, "RemoteIP");
    cr_expect_eq(diags.nwarnings, 2, "%s", messages());
    cr_expect_eq(wr_ruleset_scan(set, WR_TABLE_DEVICE_NETWORK_EVENTS)->nbranches, 1);
    cr_expect_eq(wr_ruleset_scan(set, WR_TABLE_FLOWS)->nbranches, 0);

    /* the same bytes as a file of their own */
    cr_assert_eq(add("rules/T1071.003.kql", kql), WR_OK, "%s", messages());
    const struct wr_rule *plain = wr_ruleset_rule(set, 1);
    cr_expect_str_eq(plain->id, "T1071.003");
    cr_expect_str_eq(plain->severity, "Medium");
    cr_expect_eq(memcmp(plain->plan->hash, rule->plan->hash, sizeof rule->plan->hash), 0);
    free(yaml);
    free(kql);
}

Test(load, a_mistake_in_the_query_points_into_the_file)
{
    cr_expect_eq(
        add("r.yaml",
            "id: a\nname: b\nquery: |\n    DeviceNetworkEvents\n    | where RemotePrt == 25\n"),
        WR_EINVAL);
    cr_expect_str_eq(messages(), "r.yaml:5:13: error: no column 'RemotePrt' in this where's input\n"
                                 "    | where RemotePrt == 25\n"
                                 "            ^~~~~~~~~ did you mean 'RemotePort'?\n");
    cr_expect_eq(wr_ruleset_count(set), 0);
}

static const struct {
    const char *text, *message;
} refused[] = {
    {"name: b\nquery: T\n", "r.yaml:1:1: error: a rule needs 'id'\n"},
    {"id: a\nname: b\nquery:\n", "error: a rule needs 'query'\n"},
    {"id: a\nname: b\nseverity: hgh\nquery: T\n",
     "r.yaml:3:11: error: severity 'hgh' is not known\n"},
    {RULE("triggerOperator: more\n", DNE),
     "r.yaml:3:18: error: triggerOperator 'more' is none of gt, lt, eq, ne\n"},
    {RULE("queryPeriod: 30d\n", DNE), "r.yaml:3:14: error: 'queryPeriod' must lie between"},
    {RULE("queryFrequency: often\n", DNE),
     "r.yaml:3:17: error: 'queryFrequency' must be a time span such as"},
    {RULE("kind: CustomDetection\n", DNE),
     "r.yaml:3:7: error: rules of kind 'CustomDetection' are not supported yet\n"},
    {RULE("destinationTable: X_CL\n", DNE),
     "r.yaml:3:19: error: summary rules are not supported yet\n"},
    {RULE("tactics: CommandAndControl\n", DNE),
     "r.yaml:3:10: error: 'tactics' must be a list (- value)\n"},
    {RULE("", "DeviceNetworkEvents | facet by DeviceName"),
     "r.yaml:4:25: error: operator 'facet' is refused: it gives several results, and an alert needs one\n"},
    {RULE("", "print 1"), "error: this rule cannot run on a stream: it reads no table"},
    {"- a\n", "r.yaml:1:1: error: a rule is a mapping: id, name, query, ...\n"},
    {"", "r.yaml: error: the file is empty\n"},
    {"id: [\n", "error: not YAML: "},
};

Test(load, a_bad_rule_is_refused_whole_with_file_key_and_line)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        wr_diags_fini(&diags);
        cr_assert(wr_diags_init(&diags));
        cr_expect_eq(add("r.yaml", refused[i].text), WR_EINVAL, "%s", refused[i].text);
        cr_expect(strstr(messages(), refused[i].message), "wanted %s\ngot %s", refused[i].message,
                  messages());
        cr_expect_eq(wr_ruleset_count(set), 0);
        cr_expect_gt(diags.nerrors, 0);
    }
    cr_expect_eq(add("r.txt", "x"), WR_EINVAL);
}

Test(load, what_a_let_says_wherever_it_stands_is_said_once)
{
    cr_expect_eq(add("a.kql", "let S = union isfuzzy=true SigninLogs, Syslog; S | join kind=inner S on HostName | project Bad, HostName"),
                 WR_EINVAL);
    const char *text = messages(), *first = strstr(text, "this table is not here");
    cr_expect(first && !strstr(first + 1, "this table is not here"), "%s", text);
    cr_expect_eq(diags.nwarnings, 1);
    cr_expect_eq(add("b.kql", "let f = () { Syslog | where Nope == 1 }; union f(), f()"), WR_EINVAL);
    cr_expect_eq(diags.nerrors - diags.nrepeated, 2, "%s", messages());
}

Test(load, a_rule_over_a_table_that_weir_cannot_have_is_left_out_and_stops_no_other)
{
    uint32_t n;
    cr_expect_eq(add("a.yaml", RULE("", "SigninLogs | where TimeGenerated > ago(1h)")), WR_OK);
    cr_expect_eq(diags.nwarnings, 1);
    cr_expect(strstr(messages(), "a.yaml:4:3: warning: rule 'b' is left out: no table 'SigninLogs' here: sign-ins"),
              "%s", messages());
    cr_expect_eq(add("b.kql", "let S = SigninLogs | count; S | join S on Count"), WR_OK, "%s", messages());
    cr_expect_eq(diags.nwarnings, 1, "told in full once");
    cr_expect(strstr(messages(), "b.kql:1:9: note: rule 'b' is left out"), "%s", messages());
    cr_expect_eq(add("c.kql", "union isfuzzy=true SigninLogs, (SecurityAlert | where 1 == 1), Syslog | project HostName"), WR_OK);
    cr_expect_eq(add("d.kql", "let S = materialize(SigninLogs); union isfuzzy=true S, Syslog | project HostName"), WR_OK);
    cr_expect_eq(add("e.kql", "_Im_WebSession(starttime=ago(1h)) | project Src"), WR_OK);
    cr_expect_eq(add("h.kql", "union isfuzzy=true _Im_NetworkSession_NativeV03(starttime=ago(1h)), imNope(1), Syslog | project HostName"), WR_OK);
    cr_expect_eq(wr_ruleset_count(set), 3, "%s", messages());
    const struct wr_left_out *left = wr_ruleset_left_out(set, &n);
    cr_assert_eq(n, 2);
    cr_expect_str_eq(left[0].table, "SigninLogs");
    cr_expect_eq(left[0].rules, 2);
    cr_expect_str_eq(left[1].table, "_Im_WebSession");
    cr_expect_eq(add("f.kql", "SigninLog | where x == 1"), WR_EINVAL, "a misspelt name is a mistake");
    cr_expect_eq(add("g.kql", "SigninLogs | where ("), WR_EINVAL, "so is a broken query");
}

static const struct {
    const char *text, *message;
} warned[] = {
    {RULE("alertDetailsOverride:\n  a: RemoteIP\n", DNE), "warning: unknown key 'a'"},
    {RULE("sevrity: High\n", DNE), "r.yaml:3:1: warning: unknown key 'sevrity'\n    sevrity: "
                                   "High\n    ^~~~~~~ did you mean 'severity'?\n"},
    {RULE("relevantTechniques: [T107]\n", DNE), "warning: 'T107' does not look like a technique"},
    {RULE("", "DeviceNetworkEvents | where Timestamp > ago(1h) | count"),
     "warning: a summarize without 'by' has a row even when nothing came"},
    {RULE("status: Available  \nenabled: true\ntactics:\nkind: NRT\n", DNE), ""},
};

Test(load, what_cannot_be_honoured_is_named)
{
    for (size_t i = 0; i < sizeof warned / sizeof *warned; i++) {
        teardown();
        out = (struct wr_buf){0};
        setup();
        cr_expect_eq(add("r.yaml", warned[i].text), WR_OK, "%s\n%s", warned[i].text, messages());
        cr_expect(strstr(messages(), warned[i].message), "wanted %s\ngot %s", warned[i].message,
                  messages());
        cr_expect_eq(diags.nwarnings, *warned[i].message != '\0', "%s", messages());
        cr_expect_eq(wr_ruleset_count(set), 1);
    }
}

Test(load, a_sentinel_schedule_runs_over_kept_rows)
{
    cr_assert_eq(add("r.yaml", RULE("queryFrequency: 1h\nqueryPeriod: 30m\ntriggerOperator: LessThan\n"
                                    "triggerThreshold: 5\nsuppressionEnabled: true\n"
                                    "suppressionDuration: 3h\neventGroupingSettings:\n"
                                    "  aggregationKind: SingleAlert\n",
                                    DNE)),
                 WR_OK, "%s", messages());
    const struct wr_rule *r = wr_ruleset_rule(set, 0);
    cr_expect(r->windowed);
    cr_expect_eq(r->schedule.frequency, WR_TICKS_HOUR);
    cr_expect_eq(r->schedule.op, WR_TRIGGER_LT);
    cr_expect_eq(r->schedule.threshold, 5);
    cr_expect(r->schedule.single);
    cr_expect_eq(r->schedule.suppression, 3 * WR_TICKS_HOUR);
    cr_expect_eq(r->plan->window, 30 * WR_TICKS_MINUTE);
    wr_buf_reset(&out);
    wr_ruleset_explain(set, &out);
    wr_buf_char(&out, '\0');
    cr_expect(strstr(out.data, "schedule: every 01:00:00; one alert when it has fewer than 5 rows; then "
                               "quiet for 03:00:00\n"),
              "%s", out.data);
}

Test(load, nrt_rules_that_need_kept_rows_run_each_minute_over_what_came)
{
    cr_assert_eq(add("r.yaml", "id: n\nname: n\nkind: NRT\nquery: Flows | summarize n=count() by "
                               "sourceIPAddress | where n > 3\n"),
                 WR_OK, "%s", messages());
    const struct wr_rule *r = wr_ruleset_rule(set, 0);
    cr_expect(r->windowed && r->schedule.by_arrival);
    cr_expect_eq(r->schedule.frequency, WR_TICKS_MINUTE);
    cr_expect_eq(r->plan->window, WR_TICKS_MINUTE);
}

static const struct {
    const char *extra, *query, *from;
    int64_t hours;
} windows[] = {
    {"queryPeriod: 1h\n",
     "DeviceNetworkEvents | where Timestamp > ago(2h) | summarize n=count() by RemoteIP",
     "queryPeriod", 1},
    {"queryPeriod: 04:00:00\n",
     "DeviceNetworkEvents | where Timestamp > ago(2h) | summarize n=count() by RemoteIP",
     "ago(2h) at line 5", 2},
    {"queryPeriod: 3h\n", "DeviceNetworkEvents | summarize n=count() by RemoteIP", "queryPeriod",
     3},
    {"version: 1.0.0\n", "DeviceNetworkEvents | summarize n=count() by RemoteIP",
     "the default: the query has no time filter", 24},
};

Test(load, the_window_is_the_querys_but_no_more_than_the_period)
{
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
        char text[600];
        snprintf(text, sizeof text, "id: r%zu\nname: b\n%squery: |\n  %s\n", i, windows[i].extra,
                 windows[i].query);
        cr_assert_eq(add("r.yaml", text), WR_OK, "%s", messages());
        const struct wr_plan *plan = wr_ruleset_rule(set, (uint32_t)i)->plan;
        cr_expect_eq(plan->window, windows[i].hours * WR_TICKS_HOUR);
        cr_expect_str_eq(plan->window_from, windows[i].from);
    }
}

Test(load, several_documents_and_one_id_once)
{
    cr_expect_eq(
        add("r.yaml",
            RULE("", DNE) "---\nid: c\nname: d\nquery: Syslog | where Facility == 'mail'\n"),
        WR_OK, "%s", messages());
    cr_expect_eq(wr_ruleset_count(set), 2);
    cr_expect_eq(add("s.yaml", RULE("", DNE)), WR_EINVAL);
    cr_expect(strstr(messages(), "s.yaml: error: rule id 'a' is already that of r.yaml\n"));
    cr_expect_eq(wr_ruleset_count(set), 2);
    cr_expect_eq(add("t.yaml", "id: e\nname: f\nenabled: false\nquery: nonsense |\n"), WR_OK);
    cr_expect_eq(wr_ruleset_count(set), 2);
}

Test(load, comments_above_a_kql_rule_are_its_keys)
{
    cr_assert_eq(
        add("x/w.kql",
            "// id: W01\r\n// name: A rule\n// technique: T1071.003, T1048\n// tactics: "
            "CommandAndControl\n"
            "// severity: high; more\n// confidence: low\n//   severity: is a continuation\n"
            "// see http://example.com/\nFlows | where sourceTransportPort == 25\n// severity: "
            "low\n"),
        WR_OK, "%s", messages());
    const struct wr_rule *r = wr_ruleset_rule(set, 0);
    cr_expect_str_eq(r->id, "W01");
    cr_expect_str_eq(r->name, "A rule");
    cr_expect_str_eq(r->confidence, "low");
    cr_assert_eq(r->ntechniques, 2);
    cr_expect_str_eq(r->techniques[1], "T1048");
    cr_expect_eq(r->plan->mode, WR_MODE_STATELESS);
    cr_expect_eq(add("y.kql", "// severity: urgent\nFlows"), WR_EINVAL);
    cr_expect(strstr(messages(), "y.kql:1: error: severity 'urgent' is none of"));
}

Test(load, scans_are_what_all_rules_want)
{
    cr_assert_eq(add("a.kql", "DeviceNetworkEvents | where RemotePort == 25 | project RemoteIP"),
                 WR_OK);
    cr_assert_eq(add("b.kql", "DeviceNetworkEvents | where RemotePort == 110 | project DeviceName"),
                 WR_OK);
    const struct wr_scan *scan = wr_ruleset_scan(set, WR_TABLE_DEVICE_NETWORK_EVENTS);
    cr_expect_eq(scan->nbranches, 2);
    cr_expect(wr_colset_has(&scan->wanted, WR_DNE_RemoteIP) &&
              wr_colset_has(&scan->wanted, WR_DNE_DeviceName));
    cr_assert_eq(
        add("c.kql", "DeviceNetworkEvents | where RemoteIP startswith '10.' | project DeviceName"),
        WR_OK);
    cr_expect_eq(scan->nbranches, 1);
    cr_expect_eq(scan->branches[0].npreds, 0, "one rule wants every row");
}

Test(load, older_rules_name_entities_by_column)
{
    cr_assert_eq(add("a.kql", "Flows | project IPCustomEntity = sourceIPAddress"), WR_OK, "%s",
                 messages());
    cr_assert_eq(wr_ruleset_rule(set, 0)->nentities, 1);
    cr_expect_str_eq(wr_ruleset_rule(set, 0)->entities[0].type, "IP");
}

Test(load, explain_is_for_people)
{
    cr_assert_eq(add("a.kql", "// id: R1\n// name: Mail\n// technique: T1071\nDeviceNetworkEvents\n"
                              "| where Timestamp > ago(1h) and RemotePort in (25, 587)\n| "
                              "summarize n = count() by RemoteIP\n| where n > 3\n"),
                 WR_OK);
    wr_buf_reset(&out);
    wr_ruleset_explain(set, &out);
    wr_buf_char(&out, '\0');
    cr_expect_str_eq(
        out.data,
        "rule R1: Mail\n"
        "from a.kql, severity Medium, confidence medium, technique T1071\n"
        "runs: incremental: partial aggregates over panes of the window\n"
        "window: 01:00:00, from ago(1h) at line 5\n"
        "  scan DeviceNetworkEvents\n"
        "  where ((Timestamp > ago(01:00:00)) and RemotePort in (int(25), int(587)))\n"
        "  summarize n = count() by RemoteIP\n"
        "  where (n > 3)\n"
        "pushed into the decoders of DeviceNetworkEvents:\n"
        "  RemotePort in (25, 587)\n"
        "columns read: Timestamp RemoteIP RemotePort\n"
        "memory: a group with a key of 64 bytes takes 97 bytes with one row, 3 KiB at most, when all that it keeps is full\n"
        "        groups of all rules share one bound, `memory` of the configuration; past it the oldest go, and are counted\n"
        "exact: yes, unless that bound or a sampling exporter touched the group; alerts say so\n");
}

/* ---- what people export ---- */

#define ARM(kind, properties)                                                                                           \
    "{\"$schema\": \"https://schema.management.example/deploymentTemplate.json#\", \"resources\": [{\n"                    \
    "\t\"id\": \"[concat(resourceId('x'),'/alertRules/7c1f2c4e-6d0b-4c53-9a1c-5e0f71071003')]\",\n"                       \
    "\t\"type\": \"Microsoft.OperationalInsights/workspaces/providers/alertRules\", \"kind\": \"" kind                     \
    "\",\n\t\"properties\": {\"displayName\": \"Mail\", \"severity\": \"High\", \"enabled\": true, " properties "}}]}"
#define QUERY "\"query\": \"DeviceNetworkEvents\\r\\n| where RemotePort == 25 // mail\\r\\n| project DeviceName, RemoteIP\""

Test(load, a_rule_as_the_portal_exports_it)
{
    cr_assert_eq(add("a.json", ARM("Scheduled", QUERY ", \"queryFrequency\": \"PT1H\", \"queryPeriod\": \"P1DT2H\","
                                   "\"triggerOperator\": \"GreaterThan\", \"triggerThreshold\": 3, \"suppressionDuration\": \"PT5H\","
                                   "\"suppressionEnabled\": false, \"tactics\": [\"CommandAndControl\"], \"techniques\": [\"T1071\"],"
                                   "\"subTechniques\": [\"T1071.003\"], \"alertDetailsOverride\": null, \"customDetails\": {\"Peer\": \"RemoteIP\"},"
                                   "\"entityMappings\": [{\"entityType\": \"Host\", \"fieldMappings\": [{\"identifier\": \"HostName\","
                                   "\"columnName\": \"DeviceName\"}]}], \"templateVersion\": \"1.2.3\"")),
                 WR_OK, "%s", messages());
    cr_expect_eq(diags.nwarnings, 0, "%s", messages());
    const struct wr_rule *rule = wr_ruleset_rule(set, 0);
    cr_expect_str_eq(rule->id, "7c1f2c4e-6d0b-4c53-9a1c-5e0f71071003");
    cr_expect_str_eq(rule->name, "Mail");
    cr_expect_str_eq(rule->version, "1.2.3");
    cr_expect_eq(rule->frequency, WR_TICKS_HOUR);
    cr_expect_eq(rule->plan->window, 26 * WR_TICKS_HOUR);
    cr_expect_eq(rule->schedule.threshold, 3);
    cr_expect_eq(rule->ntechniques, 2);
    cr_expect_str_eq(rule->techniques[1], "T1071.003");
    cr_expect_eq(rule->nentities, 1);
    cr_expect_eq(rule->ndetails, 1);
    cr_expect_eq(wr_ruleset_from(set, "a.json"), 1);
}

Test(load, places_in_an_exported_query_are_those_of_the_query)
{
    cr_expect_eq(add("a.json", ARM("NRT", "\"query\": \"Syslog\\n| where Nope == 1\"")), WR_EINVAL);
    cr_expect(strstr(messages(), "a.json (Mail):2:9: error: no column 'Nope'"), "%s", messages());
    cr_expect_eq(add("b.json", ARM("Scheduled", "\"query\": \"[variables('q')]\"")), WR_EINVAL);
    cr_expect(strstr(messages(), "is an expression of ARM"), "%s", messages());
    cr_expect_eq(add("c.json", ARM("NRT", "\"query\": \"[[\"")), WR_EINVAL, "two brackets stand for one");
    cr_expect(strstr(messages(), "c.json (Mail):1:1: error:"), "%s", messages());
}

Test(load, an_export_has_other_things_beside_rules)
{
    cr_expect_eq(add("a.json", "{\"resources\": [{\"type\": \"x/savedSearches\", \"properties\": {\"displayName\": \"hunt\", " QUERY "}},"
                               "{\"type\": \"x/alertRules\", \"kind\": \"Fusion\", \"properties\": {\"enabled\": true}},"
                               "{\"type\": \"x/contentTemplates\", \"properties\": {\"mainTemplate\": {\"resources\": [{"
                               "\"type\": \"Microsoft.SecurityInsights/AlertRuleTemplates\", \"kind\": \"Scheduled\", \"name\": \"[variables('x')]\","
                               "\"properties\": {\"displayName\": \"T\", \"enabled\": false, \"severity\": \"Low\", " QUERY "}}]}}}]}"),
                 WR_OK, "%s", messages());
    cr_assert_eq(wr_ruleset_count(set), 1);
    cr_expect_str_eq(wr_ruleset_rule(set, 0)->id, "T");
    cr_expect(strstr(messages(), "note: a rule of kind 'Fusion' has no query"), "%s", messages());
    cr_expect_eq(add("b.json", "{\"value\": [{\"name\": \"7c1f2c4e-6d0b-4c53-9a1c-5e0f71071004\", \"kind\": \"NRT\", \"properties\": {\"displayName\": \"L\", "
                               QUERY "}}, {\"properties\": {\"displayName\": \"Off\", \"enabled\": false, " QUERY "}}]}"),
                 WR_OK, "%s", messages());
    cr_expect_eq(wr_ruleset_count(set), 2, "one is switched off");
    cr_expect_eq(add("c.json", "{\"parameters\": {}, \"resources\": []}"), WR_OK);
    cr_expect(strstr(messages(), "warning: no rule with a query in this file"), "%s", messages());
    cr_expect_eq(add("d.json", "[1, {\"query\": 2, \"displayName\": \"x\"}]"), WR_EINVAL);
    cr_expect_eq(add("e.json", "{\"resources\": [{\"type\": \"x/alertRules\", \"properties\": {\"displayName\": [], " QUERY "}}]}"), WR_EINVAL);
}

#define DETECTION(head, schedule, tail)                                                                                 \
    "kind: CustomDetection\ncontentProvenance: {source: {schedule: {queryPeriod: 3h}}}\nproperties:\n  id: xdr-a\n"         \
    "  displayName: Scan\n" head "  queryCondition:\n    queryText: |-\n"                                               \
    "      DeviceNetworkEvents\n      | summarize n = dcount(RemotePort) by RemoteIP, DeviceName\n      | where n > 50\n"   \
    "  schedule: {" schedule "}\n  detectionAction:\n    alertTemplate:\n      title: From {{RemoteIP}}\n"               \
    "      severity: high\n      entityMappings:\n        ips: [{id: a, addressColumn: RemoteIP}]\n"                     \
    "        hosts: [{id: b, nameColumn: DeviceName}]\n        teapots: [{nameColumn: n}]\n"                            \
    "      tactics: [{tactic: Discovery, techniques: [{technique: T1046, subTechniques: [T1046.001]}]}]\n" tail

Test(load, a_custom_detection_of_defender)
{
    cr_assert_eq(add("a.yaml", DETECTION("", "frequency: PT1H", "")), WR_OK, "%s", messages());
    const struct wr_rule *rule = wr_ruleset_rule(set, 0);
    cr_expect_str_eq(rule->id, "xdr-a");
    cr_expect_str_eq(rule->severity, "High");
    cr_expect_eq(rule->plan->window, 3 * WR_TICKS_HOUR, "of the rule that it was made from");
    cr_expect_eq(rule->frequency, WR_TICKS_HOUR);
    cr_assert_eq(rule->nentities, 2);
    cr_expect_str_eq(rule->entities[0].identifier, "Address");
    cr_expect_str_eq(rule->entities[1].identifier, "HostName");
    cr_expect_eq(rule->ntechniques, 2);
    cr_expect_eq(rule->title_format.n, 2);
    cr_expect_eq(add("b.yaml", DETECTION("  status: disabled\n", "frequency: PT1H", "")), WR_OK);
    cr_expect_eq(wr_ruleset_count(set), 1, "switched off");
    cr_expect_eq(add("c.json", "{\"displayName\": \"G\", \"detectorId\": \"7c1f2c4e-6d0b-4c53-9a1c-5e0f71071005\", \"isEnabled\": true,"
                               "\"queryCondition\": {\"queryText\": \"DeviceNetworkEvents | summarize n = count() by RemoteIP | where n > 9\"},"
                               "\"schedule\": {\"period\": \"3H\"}, \"detectionAction\": {\"alertTemplate\": {\"severity\": \"low\","
                               "\"category\": \"Execution\", \"mitreTechniques\": [\"T1059\"]}}}"),
                 WR_OK, "%s", messages());
    rule = wr_ruleset_rule(set, 1);
    cr_expect_eq(rule->plan->window, 12 * WR_TICKS_HOUR, "what a detection of every 3 hours looks back");
    cr_expect_str_eq(rule->techniques[0], "T1059");
    cr_expect_eq(add("d.json", "{\"displayName\": \"N\", \"queryCondition\": {\"queryText\": \"Syslog | where HostName == 'a'\"}, \"schedule\": {\"period\": \"0\"}}"),
                 WR_OK, "%s", messages());
    cr_expect(wr_ruleset_rule(set, 2)->schedule.by_arrival);
    cr_expect_eq(add("e.json", "{\"displayName\": \"N\", \"queryCondition\": 1}"), WR_EINVAL);
}

Test(load, a_file_that_windows_tools_wrote)
{
    static const char text[] = "// id: a\nSyslog | where HostName == '\xf0\x9f\x90\xa7\xc3\xa4'";
    static const uint16_t units[] = {0xd83d, 0xdc27, 0xe4, '\'', 0};
    char le[300] = "\xff\xfe", be[300] = "\xfe\xff";
    size_t n = 2;
    const char *quote = strchr(text, '\'');
    for (const char *p = text; p <= quote; p++, n += 2)
        le[n] = be[n + 1] = *p;
    for (size_t i = 0; units[i]; i++, n += 2) {
        le[n] = be[n + 1] = (char)(units[i] & 0xff);
        le[n + 1] = be[n] = (char)(units[i] >> 8);
    }
    cr_expect_eq(wr_ruleset_add(set, "a.kql", le, n, &diags), WR_OK, "%s", messages());
    cr_expect_eq(add("b.kql", strchr(text, '\n') + 1), WR_OK);
    be[2 + 2 * 7 + 1] = 'c'; /* an id of its own */
    cr_expect_eq(wr_ruleset_add(set, "c.kql", be, n, &diags), WR_OK, "%s", messages());
    cr_assert_eq(wr_ruleset_count(set), 3);
    cr_expect_str_eq(wr_ruleset_rule(set, 0)->id, "a");
    wr_ruleset_explain(set, &out);
    cr_expect(strstr(out.data, "\xf0\x9f\x90\xa7\xc3\xa4"), "%.*s", (int)out.len, out.data);
    cr_expect_eq(wr_ruleset_add(set, "d.kql", "\xff\xfe\x00\xd8", 4, &diags), WR_EINVAL, "half a pair");
    cr_expect_eq(wr_ruleset_add(set, "e.kql", "\xff\xfe", 2, &diags), WR_EINVAL);
}

Test(load, columns_that_a_rule_names_and_lacks_are_told_and_left_out)
{
    cr_expect_eq(add("a.yaml", RULE("customDetails: {Good: HostName, Bad: Hostname}\n"
                                    "alertDetailsOverride: {alertDisplayNameFormat: 'x {{threshold}}', alertDescriptionFormat: 'on {{HostName}}'}\n"
                                    "entityMappings:\n  - {entityType: Host, fieldMappings: [{identifier: A, columnName: Nope}, {identifier: B, columnName: HostName}]}\n",
                                    "Syslog | project HostName")),
                 WR_OK, "%s", messages());
    const struct wr_rule *rule = wr_ruleset_rule(set, 0);
    cr_expect_eq(diags.nwarnings, 3, "%s", messages());
    cr_expect(strstr(messages(), "no column 'Hostname': alerts go without it") && strstr(messages(), "did you mean 'HostName'?"), "%s", messages());
    cr_expect_eq(rule->ndetails, 1);
    cr_assert_eq(rule->nentities, 1);
    cr_expect_str_eq(rule->entities[0].identifier, "B");
    cr_expect_eq(rule->title_format.n, 0);
    cr_expect_eq(rule->description_format.n, 2);
}

Test(load, a_name_without_a_query_that_tells_where_it_went_is_no_mistake)
{
    cr_expect_eq(add("a.yaml", "id: a\nname: b\ndescription: |\n  'As part of content migration, this file is moved to a new location.'\n"), WR_OK);
    cr_expect_eq(diags.nwarnings, 0);
    cr_expect(strstr(messages(), "note: no rule is here: it was moved elsewhere"), "%s", messages());
    cr_expect_eq(add("b.yaml", "id: a\nname: b\ndescription: c\n"), WR_EINVAL);
    cr_expect_eq(wr_ruleset_count(set), 0);
}

Test(load, of_several_queries_in_a_file_the_first_is_read)
{
    cr_expect_eq(add("a.kql", "// Sentinel\nSyslog\n| project HostName\n\n// Advanced hunting\n \nSyslog\n| project Computer\n"), WR_OK, "%s", messages());
    cr_expect(strstr(messages(), "a.kql:7:1: warning: a second query begins here: only the one above is read"), "%s", messages());
    cr_expect_eq(add("b.kql", "Syslog\n| project HostName\n\nlet a = 1;\nSyslog | where 1 == a"), WR_OK, "%s", messages());
    cr_expect_eq(add("c.kql", "Syslog\n| project HostName\nSyslog\n| project Computer"), WR_EINVAL, "no line between them");
    cr_expect_eq(add("d.kql", "Syslog\n\nwhere HostName == 'a'"), WR_EINVAL, "a pipe was forgotten");
    cr_expect_eq(add("e.kql", "let a = 1;\n\nlet b = 2;\n\nSyslog\n\n| where a == b"), WR_OK, "%s", messages());
}
