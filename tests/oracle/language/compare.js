// Microsoft's binder and weir's on the same queries over the same tables: both accept or both reject, with the same result columns.
//   node compare.js WEIR CASES.jsonl RULES_DIR [RANDOM_QUERIES [FIRST_SEED]]
'use strict';
const fs = require('fs');
const path = require('path');
const { spawnSync } = require('child_process');
require('@kusto/language-service-next/bridge.min');
require('@kusto/language-service-next/Kusto.Language.Bridge.min');
const { query: randomQuery } = require('./generate.js');
const K = Kusto.Language;
const S = K.Symbols;

const [weir, casesFile, rulesDir, count = '500', first = '1'] = process.argv.slice(2);
const empty = path.join(__dirname, 'empty.jsonl'); // a query over a table wants an input
const known = JSON.parse(fs.readFileSync(path.join(__dirname, 'known.json'), 'utf8'));

function run(args, input) {
    const r = spawnSync(weir, args, { input, encoding: 'utf8', maxBuffer: 64 << 20 });
    if (r.error) throw r.error;
    if (r.status === null) return { code: -1, out: r.stdout, err: `ended by ${r.signal}` };
    return { code: r.status, out: r.stdout, err: r.stderr };
}

// weir's tables as Microsoft's binder shall see them.
function globals() {
    const symbols = [];
    for (const line of run(['tables']).out.split('\n').filter(Boolean)) {
        const name = line.split(' ')[0];
        const cols = run(['tables', name]).out.split('\n').slice(1).map((l) => l.trim().split(/\s+/))
            .filter((w) => /^(bool|int|long|real|datetime|timespan|string|guid|dynamic|decimal)$/.test(w[1]));
        const shape = '(' + cols.map(([n, t]) => `['${n}']:${t}`).join(', ') + ')';
        symbols.push(S.TableSymbol.From(shape).WithName(name));
    }
    return K.GlobalState.Default.WithDatabase(new S.DatabaseSymbol.$ctor1('weir', symbols, false));
}

function microsoft(text, state) {
    const code = K.KustoCode.ParseAndAnalyze(text, state);
    const found = code.GetDiagnostics();
    const errors = [];
    for (let i = 0; i < found.Count; i++)
        if (found.getItem(i).Severity === 'Error') errors.push(`${found.getItem(i).Code} ${found.getItem(i).Message}`);
    if (errors.length) return { errors };
    const columns = [];
    const type = code.ResultType;
    for (let i = 0; type && type.Columns && i < type.Columns.Count; i++)
        columns.push(`${type.Columns.getItem(i).Name}:${type.Columns.getItem(i).Type.Name}`);
    return { columns };
}

function ours(text) {
    const r = run(['query', '--format', 'json', '--input', empty, '@-'], text);
    if (r.code === 0) return { columns: JSON.parse(r.out).columns.map((c) => `${c.name}:${c.type}`) };
    return { errors: [r.err.split('\n')[0]], crash: r.code !== 1 && r.code !== 2 };
}

const NOT_YET = /not supported|no function|is refused|not yet|runs in Kusto only/;

// One line of difference, or null.
function difference(text, state) {
    const m = microsoft(text, state);
    const w = ours(text);
    if (w.crash) return `weir ended: ${w.errors[0]}`;
    if (m.errors && w.columns) return `only weir accepts: ${m.errors[0]}`;
    if (m.columns && w.errors) return NOT_YET.test(w.errors[0]) ? null : `only weir rejects: ${w.errors[0]}`;
    if (!m.columns) return null;
    const a = m.columns.join(', ');
    const b = w.columns.join(', ');
    return a === b ? null : `columns: Microsoft ${a}; weir ${b}`;
}

// Names of weir's functions with the numbers of arguments that Microsoft's binder takes.
function functions(state) {
    const page = fs.readFileSync(path.join(__dirname, '../../../docs/kql.md'), 'utf8').split('<!-- functions -->')[1].split('<!-- end -->')[0];
    const names = new Set([...page.matchAll(/`(\w+)`/g)].map((m) => m[1]));
    const list = [];
    for (const f of K.Functions.All)
        if (names.has(f.Name)) list.push({ name: f.Name, min: f.MinArgumentCount, max: f.MaxArgumentCount });
    return list;
}

const state = globals();
const texts = [];
for (const line of fs.readFileSync(casesFile, 'utf8').split('\n').filter(Boolean)) {
    const c = JSON.parse(line);
    texts.push([c.id, c.query]);
}
for (const f of fs.readdirSync(rulesDir, { recursive: true }).filter((n) => n.endsWith('.kql') && !n.startsWith('build')))
    texts.push([f, fs.readFileSync(path.join(rulesDir, f), 'utf8')]);
const fns = functions(state);
for (let seed = Number(first); seed < Number(first) + Number(count); seed++) texts.push([`random ${seed}`, randomQuery(seed, fns)]);

let same = 0;
let differ = 0;
let listed = 0;
for (const [name, text] of texts) {
    const d = difference(text, state);
    if (!d) same++;
    else if (known.some((k) => new RegExp(k.what).test(d) && new RegExp(k.query || '').test(text))) listed++;
    else {
        differ++;
        console.log(`${name}: ${d}\n    ${text.replace(/\s+/g, ' ').slice(0, 300)}`);
    }
}
console.log(`${same} alike, ${listed} known to differ (known.json says why), ${differ} not known`);
process.exit(differ ? 1 : 0);
