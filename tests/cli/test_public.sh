#!/bin/sh
# test_public.sh WEIR ROOT: a folder of rules as people have them, and events that they are written for: all that can load loads,
# what cannot is told, and each that loads fires.
. "$(dirname "$0")/lib.sh"
mkdir "$TMP/rules"
cat >"$TMP/rules/export.json" <<'JSON'
{
	"resources": [
		{
			"id": "[concat(resourceId('Microsoft.OperationalInsights/workspaces/providers'),'/alertRules/0d1c9f0e-6d0b-4c53-9a1c-5e0f71071003')]",
			"type": "Microsoft.OperationalInsights/workspaces/providers/alertRules",
			"kind": "Scheduled",
			"properties": {
				"displayName": "Many refused", "severity": "Medium", "enabled": true,
				"query": "_Im_NetworkSession(eventresult='Failure')\r\n| summarize Count=count() by SrcIpAddr, NetworkDirection, bin(TimeGenerated,5m) // bursts\r\n| where Count > 4",
				"queryFrequency": "PT1H", "queryPeriod": "PT1H", "triggerOperator": "GreaterThan", "triggerThreshold": 0,
				"suppressionEnabled": false, "tactics": ["Discovery"], "techniques": ["T1046"],
				"customDetails": {"Number": "Count", "Missing": "count"},
				"entityMappings": [{"entityType": "IP", "fieldMappings": [{"identifier": "Address", "columnName": "SrcIpAddr"}]}]
			}
		}
	]
}
JSON
cat >"$TMP/rules/detection.yaml" <<'YAML'
kind: CustomDetection
properties:
  displayName: Last of each vendor
  queryCondition:
    queryText: |-
      CommonSecurityLog
      | where isnotempty(SourceIP)
      | summarize arg_max(TimeGenerated, *) by DeviceVendor
  schedule: {frequency: PT1H, lookback: PT4H}
  detectionAction: {alertTemplate: {title: 'Last of {{DeviceVendor}}', severity: low}}
YAML
cat >"$TMP/rules/two.kql" <<'KQL'
// Sentinel
let Seen = CommonSecurityLog | where DeviceAction == "deny" | distinct DestinationIP | summarize make_list(DestinationIP);
datatable(Bad: string)["10.1.2.9", "10.1.2.200"]
| where Bad in (Seen)

// Advanced hunting
CommonSecurityLog
| take 1
KQL
printf 'id: gone\nname: gone\ndescription: this file is moved to a new location\n' >"$TMP/rules/gone.yaml"
printf 'Syslog\n| evaluate autocluster()\n' >"$TMP/rules/bad.kql"
i=0
while [ $i -lt 9 ]; do
    i=$((i + 1))
    echo "<134>1 2026-01-05T08:00:0${i}Z fw1 CEF - - - CEF:0|Acme|FW|1|1|drop|3|src=203.0.113.7 spt=$((2000 + i)) dst=10.1.2.$i dpt=23 proto=tcp act=deny"
done >"$TMP/cef.log"
run 1 "$WEIR" check "$TMP/rules"
has out "bad.kql:2:12: error: plugin 'autocluster' is refused"
has out "two.kql:7:1: warning: a second query begins here"
has out "gone.yaml:3:14: note: no rule is here: it was moved elsewhere"
has out "warning: the query's result has no column 'count': alerts go without it"
has out "5 files, 3 rules: 1 error, 2 warnings"
rm "$TMP/rules/bad.kql"
run 0 "$WEIR" replay --rules "$TMP/rules" "$TMP/cef.log"
alert() { # RULE_NAME JQ_EXPRESSION WANTED
    have=$(jq -c "select(.rule_name == \"$1\") | $2" "$TMP/out")
    [ "$have" = "$3" ] || fail "$1: $have, not $3"
}
alert "Many refused" '[.columns.SrcIpAddr, .columns.NetworkDirection, .columns.Count, .details.Number]' '["203.0.113.7","Inbound",9,9]'
alert "Last of each vendor" '[.message, .columns.SourcePort, .columns.DestinationIP, .columns.DeviceProduct]' \
    '["Last of Acme",2009,"10.1.2.9","FW"]'
alert two '.columns.Bad' '"10.1.2.9"'
# A filter that leaves nothing because nothing came in is told of; one that asks for no arrival is not.
run 0 "$WEIR" query -i "$TMP/cef.log" 'CommonSecurityLog | where ingestion_time() > ago(1h) | count'
has err "note: ingestion_time() is null here"
run 0 "$WEIR" query -i "$TMP/cef.log" 'CommonSecurityLog | count'
[ ! -s "$TMP/err" ] || fail "without ingestion_time(): $(cat "$TMP/err")"
finish
