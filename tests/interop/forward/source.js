// @fluent-org/logger's client against weir's own source: every mode, with the shared key and a user, and each event
// acknowledged. weir is killed (kill -9) after the acknowledgements of the first half: the rule that counts to the whole
// fires only if all of that half is still there.
//
//   node source.js WEIR
'use strict';
const assert = require('assert');
const fs = require('fs');
const http = require('http');
const net = require('net');
const os = require('os');
const path = require('path');
const { spawn } = require('child_process');
const { FluentClient } = require('@fluent-org/logger');

const weir = process.argv[2];
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-source-'));
const HALF = 40; // events of each mode before and after the crash
const modes = ['Message', 'Forward', 'PackedForward', 'CompressedPackedForward'];
const WHOLE = 2 * HALF * modes.length;

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

function get(port, page) {
  return new Promise(resolve => {
    const request = http.get({ host: '127.0.0.1', port, path: page, timeout: 2000 }, answer => {
      let text = '';
      answer.on('data', d => { text += d; }).on('end', () => resolve(answer.statusCode === 200 ? text : null));
    });
    request.on('error', () => resolve(null));
  });
}

async function until(what, test) {
  for (const end = Date.now() + 20000; Date.now() < end;) {
    if (await test()) return;
    await new Promise(r => setTimeout(r, 50));
  }
  throw new Error(`${what}: not within 20 s\n${fs.readFileSync(path.join(dir, 'weir.log'), 'utf8').slice(-3000)}`);
}

let running;
async function start(httpPort) {
  const log = fs.openSync(path.join(dir, 'weir.log'), 'a'), out = fs.openSync(path.join(dir, 'alerts.jsonl'), 'a');
  running = spawn(weir, ['run', '-c', path.join(dir, 'weir.yaml'), '--state', path.join(dir, 'state')], { stdio: ['ignore', out, log] });
  await until('weir starts', () => get(httpPort, '/healthz'));
}

function client(port, mode, key) {
  return new FluentClient('edr.process', {
    socket: { host: '127.0.0.1', port, timeout: 5000 },
    eventMode: mode,
    flushInterval: 1,
    ack: { ackTimeout: 10000 },
    security: { clientHostname: 'client', sharedKey: key, username: 'bob', password: 'pw' },
  });
}

// No time of its own: the entry's is taken.
const event = i => ({ category: 'AdvancedHunting-DeviceProcessEvents', time: new Date().toISOString(),
  properties: { DeviceName: 'ws-1', ActionType: 'ProcessCreated', FileName: 'sh', ProcessId: i } });

async function send(port, half) {
  for (const mode of modes) {
    const c = client(port, mode, 'secret');
    const acks = [];
    for (let i = 0; i < HALF; i++) acks.push(c.emit(event(half * HALF + i)));
    await Promise.all(acks); // each resolves with its chunk's acknowledgement
    await c.disconnect();
  }
}

async function main() {
  const [port, httpPort] = await freePorts(2);
  fs.writeFileSync(path.join(dir, 'count.kql'), `// id: count
DeviceProcessEvents
| where Timestamp > ago(1h)
| where FileName == "sh"
| summarize Shells = count() by DeviceName
| where Shells >= ${WHOLE}
`);
  fs.writeFileSync(path.join(dir, 'weir.yaml'), `listen: {flow_udp: off, flow_tcp: off, syslog_udp: off, syslog_tcp: off, forward: "127.0.0.1:${port}"}
forward_input: {shared_key: secret, users: {bob: pw}}
http: "127.0.0.1:${httpPort}"
rules: ["${dir}/count.kql"]
workers: 1
`);
  fs.mkdirSync(path.join(dir, 'state'));
  await start(httpPort);

  await send(port, 0);
  running.kill('SIGKILL');
  await new Promise(r => running.once('exit', r));
  await start(httpPort);
  assert.strictEqual(fs.readFileSync(path.join(dir, 'alerts.jsonl'), 'utf8'), '');
  await send(port, 1);
  await until('the alert', () => fs.readFileSync(path.join(dir, 'alerts.jsonl'), 'utf8').includes(`"Shells":${WHOLE}`));
  running.kill('SIGTERM');
  await new Promise(r => running.once('exit', r));
  fs.rmSync(dir, { recursive: true });
  console.log(`${WHOLE} events in ${modes.length} modes, each acknowledged, half of them before kill -9`);
}

main().then(() => process.exit(0), error => {
  console.error(error);
  if (running) running.kill('SIGKILL');
  process.exit(1);
});
