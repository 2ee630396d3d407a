// Names and types of columns that Microsoft's binder gives to every function and aggregate of rules/fn/*.def:
//   node names.js ROOT >tests/data/kql/names.tsv
// One line each: query, tab, columns. A call is made from each signature; of those that Microsoft's binder rejects nothing is written.
'use strict';
const fs = require('fs');
const path = require('path');
require('@kusto/language-service-next/bridge.min');
require('@kusto/language-service-next/Kusto.Language.Bridge.min');
const K = Kusto.Language;

const root = process.argv[2];
const table = 'let T = datatable(b:bool, i:int, l:long, r:real, d:datetime, t:timespan, s:string, y:dynamic, g:guid, c:decimal)[]; ';
const column = { b: 'b', i: 'i', l: 'l', r: 'r', d: 'd', t: 't', s: 's', g: 'g', y: 'y', c: 'c', T: 'l', '*': 's', B: 'b', L: 'l', R: 'r', N: 'l' };
const constant = { b: 'true', i: '1', l: '1', r: '0.5', d: 'datetime(2026-01-01)', t: '1h', s: '"a"', g: 'guid(74be27de-1e4e-49d9-b579-fe0b331d3642)',
    y: 'dynamic([1])', c: 'decimal(1)', T: '1', '*': '"a"', B: 'true', L: '1', R: '0.5', N: '1' };

function rows(file, macro) {
    const text = fs.readFileSync(path.join(root, 'rules/fn', file), 'utf8');
    const out = [];
    for (const m of text.matchAll(new RegExp(`^${macro}\\("([^"]+)", "([^"]*)"`, 'gm'))) out.push({ name: m[1], signature: m[2] });
    return out;
}

// The parameters of a signature, at most and at least.
function parameters(signature) {
    const letters = signature.split(':')[0].replace(/\(([^)]*)\)\+/g, '$1').replace(/(.)\+/g, '$1$1');
    const optional = letters.indexOf('?');
    return { all: letters.replace(/\?/g, ''), least: optional < 0 ? letters.length : optional - 1 };
}

function ask(text) {
    const code = K.KustoCode.ParseAndAnalyze(text, K.GlobalState.Default);
    const found = code.GetDiagnostics();
    for (let i = 0; i < found.Count; i++) if (found.getItem(i).Severity === 'Error') return null;
    const columns = [];
    for (let i = 0; i < code.ResultType.Columns.Count; i++) {
        const c = code.ResultType.Columns.getItem(i);
        if (c.Type.Name === 'unknown') return null;
        columns.push(`${c.Name}:${c.Type.Name}`);
    }
    return columns.join(', ');
}

// Where no constant of the letter's kind will do.
const special = { array_split: 'array_split(y, 1)', datetime_add: 'datetime_add("day", 1, d)', datetime_diff: 'datetime_diff("day", d, d)',
    datetime_part: 'datetime_part("hour", d)', datepart: 'datepart("hour", d)', extract_all: 'extract_all("(a)", s)', extractall: 'extractall("(a)", s)',
    datetime_utc_to_local: 'datetime_utc_to_local(d, "Europe/Berlin")', datetime_local_to_utc: 'datetime_local_to_utc(d, "Europe/Berlin")',
    strcat_delim: 'strcat_delim(",", s, s)', parsexml: 'parsexml(s)', format_bytes: 'format_bytes(l)', tohex: 'tohex(l)', hash: 'hash(s)',
    hash_xxhash64: 'hash_xxhash64(s)', percentiles: 'percentiles(l, 50)', percentilesw: 'percentilesw(l, i, 50)', max_of: 'max_of(l, 2)',
    min_of: 'min_of(l, 2)', set_union: 'set_union(y, y)', make_string: 'make_string(l)', unicode_codepoints_to_string: 'unicode_codepoints_to_string(l)' };
for (const f of ['add', 'subtract', 'multiply', 'divide', 'pow', 'equals', 'not_equals', 'less', 'less_equals', 'greater', 'greater_equals'])
    special[`series_${f}`] = `series_${f}(y, y)`;

const seen = new Set();
function write(query) {
    if (seen.has(query)) return false;
    const columns = ask(table + query);
    if (columns === null) return false;
    seen.add(query);
    process.stdout.write(`${query}\t${columns}\n`);
    return true;
}

// The first argument a column, the others constants where Microsoft's binder takes that, else columns.
function calls(name, signature) {
    const { all, least } = parameters(signature);
    const out = [];
    if (special[name]) return [special[name]];
    for (const n of new Set([least, all.length])) {
        const from = [...all].slice(0, n);
        out.push(`${name}(${from.map((p, k) => (k ? constant[p] : column[p])).join(', ')})`);
        out.push(`${name}(${from.map((p) => column[p]).join(', ')})`);
        out.push(`${name}(${from.map((p) => constant[p]).join(', ')})`);
    }
    return out;
}

for (const { name, signature } of rows('functions.def', 'FN')) {
    if (!/^[a-z_0-9]+$/.test(name)) continue;
    let any = false;
    for (const call of calls(name, signature))
        if (!any || / y/.test(call)) any = write(`T | project ${call}, ${call}`) || any;
    if (!special[name] && /^[y*]/.test(signature)) write(`T | extend ${name}(${['y.k[0]', ...[...parameters(signature).all].slice(1).map((p) => constant[p])].join(', ')})`);
}
for (const { name, signature } of rows('aggregates.def', 'AGG')) {
    for (const call of calls(name, signature))
        if (write(`T | summarize ${call}, ${call} by bin(d, 1h), i`)) break;
    if (!/^percentilesw?$/.test(name)) for (const call of calls(name, signature)) if (write(`T | summarize x = ${call}, 1 + ${call}`)) break;
    const rest = [...parameters(signature).all].slice(1).map((p) => constant[p]);
    if (!special[name] && /^[y*]/.test(signature)) write(`T | summarize ${name}(${['y.k', ...rest].join(', ')}), ${name}(${['tostring(y["a b"])', ...rest].join(', ')})`);
}
for (const query of ['T | summarize percentiles(l, 5, 50, 99.9)', 'T | summarize percentile(l, 95), percentile(l, 99.9), percentile(r, 5.0)',
    'T | summarize arg_max(d, *) by s', 'T | summarize arg_min(d, s, l), arg_max(d, s)', 'T | summarize take_any(*) by s', 'T | summarize take_any(s, l)',
    'T | summarize count(), count() by s, count_ = i', 'T | summarize sum(l + 1), avg(l * r), max(strlen(s))', 'T | summarize by bin(l, 5), tostring(y), s',
    'T | summarize round(avg(l), 2), toint(max(l)) by startofday(d)', 'T | summarize dcountif(s, l > 1), countif(l > 1), sumif(l, b)',
    'T | summarize make_set(s), make_set(s, 5), make_list(y.k)', 'T | summarize percentilesw(l, i, 50, 90)', 'T | count', 'T | count as n',
    'T | distinct s, l', 'T | project y.a, y["b c"], y[0], y.a.b, l + 1, -l, s', 'T | extend l + 1, l + 2, strcat(s, "x"), Column1 = 5',
    'print 1, "a", x = 2, now()', 'T | project l, l1 = 1, tolong(l)', 'T | summarize sum(l), sum(l), sum_l = avg(r)', 'T | top 3 by l | project iff(b, 1, 2)',
    'T | join (T) on s', 'T | join kind=leftanti (T) on s', 'T | union (T | project l = s)', 'T | mv-expand y.k', 'T | mv-expand z = y to typeof(long)',
    'T | make-series count(), avg(l) on d from datetime(2026-01-01) to datetime(2026-01-02) step 1h by s', 'T | summarize arg_max(l + 1, s, l * 2, strlen(s)), arg_min(s, strcat(s, "x"))', 'T | extend array_sort_asc(dynamic([1]))', 'T | summarize take_any(l + 1), any(l + 1)',
    'T | summarize take_any(l + 1, s, strcat(s, "x"))', 'T | summarize arg_max(strlen(s), y.k, y[0], l + 1), arg_min(l + 1, *)',
    'T | union withsource=W (T | project l = s, r = s, n = 1), (T | project l = d, n = 2)', 'union (T | project a = 1, b), (T | project b, a = "x")',
    'T | summarize x = arg_max(l, *), s = make_set(s) by i', 'T | summarize s = make_set(s), x = arg_max(l, *) by i', 'T | summarize l = sum(i) by bin(l, 5)', 'T | summarize take_any(l), l = sum(i)',
    'let f = (n:string) { T | summarize count(), max(column_ifexists(n, 0)) by column_ifexists(n, 0), column_ifexists("none", s) }; f("l")', 'let n = "l"; T | project column_ifexists(n, 0), column_ifexists("none", 1)',
    'T | project hash(s), hash_xxhash64(s)', 'T | extend array_sort_asc(y, y), array_sort_desc(y, y.k, true), x = array_sort_asc(y, y.k)',
    'T | extend (v, w) = array_sort_desc(y, y), array_sort_asc(y, false)', 'print array_sort_asc(dynamic([1]), dynamic([2]))', 'T | project array_sort_asc(y, y)[1]',
    'T | summarize any(s, l), any(*), x = any(l)', 'T | summarize any(*) by s', 'let p = 99.9; T | summarize percentile(l, p), percentiles(l, p, 50), percentile(l, 1 + 1)',
    'T | project round(i), round(l), round(l, -1), round(r, 2), round(i, 1)', 'T | project iff(b, 1, s), iff(b, y, 1), iff(b, d, y), iff(b, t, l), case(b, i, b, y, 2.5), case(b, s, y)',
    'T | as Q | join kind=leftsemi Q on s', 'T | where l > 0 | as Q | summarize by s | join (Q) on s', 'T | where b == 1 and i != b and b in (0, 1)', 'T | lookup (T | project s, n = l) on s'])
    write(query);
