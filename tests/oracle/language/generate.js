// Random queries: some well typed, some not. Both binders must say the same of each. Seeded: a number gives the same query for ever.
'use strict';

function rng(seed) { // mulberry32
    let a = seed >>> 0;
    return () => {
        a = (a + 0x6d2b79f5) >>> 0;
        let t = a;
        t = Math.imul(t ^ (t >>> 15), t | 1);
        t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
        return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
}

const SOURCE = 'datatable(i:int, l:long, r:real, s:string, u:string, b:bool, t:datetime, ts:timespan, d:dynamic, g:guid)[]';
const COLUMNS = ['i', 'l', 'r', 's', 'u', 'b', 't', 'ts', 'd', 'g'];
const LITERALS = ['1', '0', '2.5', '"x"', "'10.0.0.1'", 'true', '1h', 'datetime(2026-01-02)', 'dynamic([1,"a"])',
    'dynamic({"k":1})', 'int(3)', 'long(null)', 'real(null)', '@"\\d+"', '"day"', '-1'];
const OPERATORS = ['+', '-', '*', '/', '%', '==', '!=', '<', '<=', '>', '>=', '=~', '!~', 'has', '!has', 'contains', 'startswith',
    'endswith', 'hasprefix', 'hassuffix', 'has_cs', 'contains_cs', 'and', 'or'];
const LISTS = ['in', '!in', 'in~', '!in~', 'has_any', 'has_all'];
const PATHS = ['d.k', 'd["k"]', 'd[0]', 'd.a.b', 'd[0].q'];

class Generator {
    constructor(seed, functions) {
        this.next = rng(seed);
        this.functions = functions;
    }
    upto(n) { return Math.floor(this.next() * n); }
    of(list) { return list[this.upto(list.length)]; }
    leaf(cols) {
        const k = this.upto(10);
        return k < 6 ? this.of(cols) : k < 9 ? this.of(LITERALS) : cols.includes('d') ? this.of(PATHS) : this.of(LITERALS);
    }
    call(depth, cols) {
        const f = this.of(this.functions);
        const n = f.min + this.upto(Math.min(f.max, f.min + 2) - f.min + 1);
        const args = [];
        for (let a = 0; a < n; a++) args.push(this.expression(depth - 1, cols));
        return `${f.name}(${args.join(', ')})`;
    }
    expression(depth, cols) {
        const k = this.upto(10);
        if (depth <= 0 || k < 3) return this.leaf(cols);
        if (k < 6) return `${this.leaf(cols)} ${this.of(OPERATORS)} ${this.leaf(cols)}`;
        if (k < 7) return `${this.leaf(cols)} ${this.of(LISTS)} (${this.leaf(cols)}, ${this.leaf(cols)})`;
        return this.call(depth, cols);
    }
    aggregate(cols) {
        const c = () => this.of(cols);
        return this.of([() => 'count()', () => `countif(${this.expression(1, cols)})`, () => `dcount(${c()})`, () => `sum(${c()})`,
            () => `avg(${c()})`, () => `min(${c()})`, () => `max(${c()})`, () => `make_set(${c()})`, () => `make_list(${c()}, 5)`,
            () => `sumif(${c()}, ${this.expression(1, cols)})`, () => `stdev(${c()})`, () => `variance(${c()})`,
            () => `take_any(${c()})`, () => `arg_max(${c()}, *)`, () => `arg_min(${c()}, ${c()})`, () => `percentile(${c()}, 95)`,
            () => `dcountif(${c()}, ${this.expression(1, cols)})`, () => `make_set_if(${c()}, ${this.expression(1, cols)})`,
            () => `round(avg(${c()}), 2)`, () => `count() / 2`, () => `make_bag(${c()})`, () => `count_distinct(${c()})`])();
    }
    // Each operator says which columns go on, as far as this generator knows; the rest is found out by the binders.
    pipe(cols) {
        const c = () => this.of(cols);
        return this.of([
            () => [`where ${this.expression(2, cols)}`, cols],
            () => [`extend ${this.expression(2, cols)}`, cols],
            () => [`extend x = ${this.expression(2, cols)}, ${this.expression(1, cols)}`, cols],
            () => [`project ${c()}, y = ${this.expression(2, cols)}`, ['y']],
            () => [`summarize ${this.aggregate(cols)}, ${this.aggregate(cols)} by ${c()}`, []],
            () => [`summarize ${this.aggregate(cols)} by ${this.expression(1, cols)}, bin(${c()}, ${this.leaf(cols)})`, []],
            () => { const k = c(); return [`distinct ${k}`, [k]]; },
            () => [`sort by ${this.expression(1, cols)} ${this.of(['asc', 'desc', 'asc nulls last'])}`, cols],
            () => [`top 3 by ${c()}`, cols],
            () => [`project-away ${c()}`, []],
            () => [`project-rename z = ${c()}`, []],
            () => [`join kind=${this.of(['inner', 'leftouter', 'leftanti', 'innerunique', 'rightsemi', 'fullouter'])} (${SOURCE}) on ${c()}`, cols],
            () => [`mv-expand ${c()}`, cols],
            () => [`union (${SOURCE} | extend w = ${this.leaf(COLUMNS)})`, cols],
            () => ['count', []],
        ])();
    }
    query() {
        let cols = COLUMNS;
        const parts = [SOURCE];
        for (let n = 1 + this.upto(2); n > 0 && cols.length; n--) {
            const [text, left] = this.pipe(cols);
            parts.push(text);
            cols = left;
        }
        return parts.join(' | ');
    }
}

module.exports = { query: (seed, functions) => new Generator(seed, functions).query() };
