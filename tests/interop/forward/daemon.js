// The whole daemon against FluentServer of @fluent-org/logger: syslog lines in, alerts out over Forward, while the
// receiver acknowledges, stalls, drops connections, goes away and comes back, and weir itself is killed (kill -9)
// between. Every alert of the store arrives at least once, and each (alert_id, seq) says the same each time.
//
//   node daemon.js WEIR
'use strict';
const assert = require('assert');
const fs = require('fs');
const http = require('http');
const net = require('net');
const os = require('os');
const path = require('path');
const { spawn, execFileSync } = require('child_process');
const { receiver, relay } = require('./relay.js');

const weir = process.argv[2];
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-daemon-'));
const PART = 150; // hosts, and so alerts, of each part
const rule = `// id: per-host
// severity: low
Syslog
| where TimeGenerated > ago(1h)
| summarize Lines = count() by HostName
| where Lines >= 2
`;

async function freePorts(n) {
  const held = [];
  for (let i = 0; i < n; i++) {
    const s = net.createServer();
    await new Promise(r => s.listen(0, '127.0.0.1', r));
    held.push(s);
  }
  const ports = held.map(s => s.address().port);
  await Promise.all(held.map(s => new Promise(r => s.close(r))));
  return ports;
}

async function until(what, seconds, test) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end;) {
    if (await test()) return;
    await new Promise(r => setTimeout(r, 50));
  }
  throw new Error(`${what}: not within ${seconds} s\n${fs.readFileSync(path.join(dir, 'weir.log'), 'utf8').slice(-3000)}`);
}

function get(port, page) {
  return new Promise(resolve => {
    const request = http.get({ host: '127.0.0.1', port, path: page, timeout: 2000 }, answer => {
      let text = '';
      answer.on('data', d => { text += d; });
      answer.on('end', () => resolve(text));
    });
    request.on('error', () => resolve(''));
  });
}

// Sum of all series of a metric whose line holds `label`.
async function metric(port, name, label) {
  return (await get(port, '/metrics')).split('\n')
    .filter(l => (l.startsWith(`${name}{`) || l.startsWith(`${name} `)) && l.includes(label || ''))
    .reduce((sum, l) => sum + Number(l.split(' ').pop()), 0);
}

class Daemon {
  constructor(ports, forwardPort) {
    [this.syslog, this.http] = ports;
    this.config = path.join(dir, 'weir.yaml');
    fs.writeFileSync(path.join(dir, 'per-host.kql'), rule);
    fs.writeFileSync(this.config, `listen:
  flow_udp: off
  flow_tcp: off
  syslog_udp: off
  syslog_tcp: ["127.0.0.1:${this.syslog}"]
http: "127.0.0.1:${this.http}"
rules: ["${dir}/per-host.kql"]
state: "${dir}/state"
workers: 2
realert: 1s
alerts: {stdout: off}
forward:
  - {name: siem, host: 127.0.0.1, port: ${forwardPort}, ack_timeout: 1s}
`);
  }

  async start() {
    const log = fs.openSync(path.join(dir, 'weir.log'), 'a');
    this.child = spawn(weir, ['run', '-c', this.config], { stdio: ['ignore', 'ignore', log] });
    fs.closeSync(log);
    this.ended = new Promise(r => this.child.on('close', (code, signal) => r({ code, signal })));
    await until('start', 15, async () => (await get(this.http, '/healthz')) !== '');
  }

  async end(signal) {
    this.child.kill(signal);
    return this.ended;
  }

  // Two lines for each of PART hosts; returns when their alerts are stored.
  async lines(part) {
    const before = await metric(this.http, 'weir_alerts_total', 'raised');
    const text = [];
    for (let i = 0; i < 2 * PART; i++)
      text.push(`<13>1 ${new Date().toISOString()} host-${part}-${i % PART} app - - - line ${i}\n`);
    const s = net.connect(this.syslog, '127.0.0.1');
    await new Promise(r => s.end(text.join(''), r));
    await until(`alerts of part ${part}`, 15, async () => (await metric(this.http, 'weir_alerts_total', 'raised')) >= before + PART);
  }
}

function stored() {
  const text = execFileSync(weir, ['alerts', '--all', '--state', path.join(dir, 'state')], { maxBuffer: 1 << 28 }).toString();
  return new Map(text.trim().split('\n').map(line => JSON.parse(line)).map(a => [`${a.alert_id}/${a.seq}`, a]));
}

function received(entries) {
  const seen = new Map();
  for (const { record } of entries) {
    const key = `${record.alert_id}/${record.seq}`;
    const text = JSON.stringify(record);
    assert.strictEqual(seen.get(key) ?? text, text, `${key} came twice and differs`);
    seen.set(key, text);
  }
  return seen;
}

(async () => {
  const r = await receiver({});
  let rule = () => ({});
  const line = await relay(r.port, n => rule(n));
  const d = new Daemon(await freePorts(2), line.port);
  const pending = () => metric(d.http, 'weir_sink_pending', 'name="siem"');

  await d.start();
  await d.lines('ack');
  await until('acknowledged', 15, async () => (await pending()) === 0);
  assert(received(r.entries).size >= PART);

  // It takes alerts and never says so; then weir is killed, with chunks in flight.
  await line.gone();
  rule = () => ({ mute: true });
  await line.back();
  const sofar = r.entries.length;
  await d.lines('stall');
  await until('entries without acknowledgement', 15, () => r.entries.length >= sofar + PART);
  assert((await pending()) >= PART, 'nothing waits for an acknowledgement: the test tests nothing');
  assert.strictEqual((await d.end('SIGKILL')).signal, 'SIGKILL');

  // It drops connections in the middle of what weir sends, and then is away while weir is killed again.
  let cut = 0;
  rule = () => (++cut <= 2 ? { cutAfter: 5000 * cut + 77 } : { mute: true });
  await d.start();
  await d.lines('drop');
  await until('dropped connections', 20, () => line.stats.cuts >= 2);
  await line.gone();
  await d.lines('away');
  await d.end('SIGKILL');
  await d.start();
  rule = () => ({});
  await line.back();
  await until('all acknowledged', 30, async () => (await pending()) === 0);
  assert.deepStrictEqual(await d.end('SIGTERM'), { code: 0, signal: null });

  const want = stored(), got = received(r.entries);
  const raised = [...want.values()].filter(a => a.kind === 'raised');
  assert.strictEqual(raised.length, 4 * PART, 'an alert a host');
  assert.strictEqual(new Set(raised.map(a => a.alert_id)).size, 4 * PART, 'an id a host, over all restarts');
  assert.deepStrictEqual([...want.keys()].filter(k => !got.has(k)), [], 'stored and never received');
  assert.deepStrictEqual([...got.keys()].filter(k => !want.has(k)), [], 'received and not stored');
  assert(r.entries.length > got.size, 'nothing came twice: the test tests nothing');
  console.log(`daemon: ${want.size} alerts of ${raised.length} hosts, ${r.entries.length} entries, ${line.stats.cuts} cuts`);
  await line.close();
  fs.rmSync(dir, { recursive: true, force: true });
  process.exit(0);
})().catch(e => {
  console.error(e);
  process.exit(1);
});
