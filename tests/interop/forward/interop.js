// weir's Forward client against FluentServer of @fluent-org/logger. Each scenario starts a receiver, lets `send` store
// K alerts and forward them until all are acknowledged, and compares what arrived: every alert at least once, and
// after de-duplication by (alert_id, seq) each exactly once. The relay between them loses acknowledgements and cuts
// connections; the receiver itself is never changed.
//
//   node interop.js SEND CERT KEY OTHER_CERT
'use strict';
const assert = require('assert');
const fs = require('fs');
const os = require('os');
const path = require('path');
const { spawn } = require('child_process');
const { receiver, relay } = require('./relay.js');

const [send, certFile, keyFile, otherCertFile] = process.argv.slice(2);
const COUNT = 500;
const security = { serverHostname: 'agg-1', sharedKey: 'secret', authorize: true, userDict: { bob: 'pw' } };

// Runs send to its end on a store of its own, or on the one in `keep`; `onStart` gets the process.
function run(args, keep, onStart) {
  const dir = keep || fs.mkdtempSync(path.join(os.tmpdir(), 'weir-forward-'));
  return new Promise(resolve => {
    const child = spawn(send, [path.join(dir, 'alerts.db'), String(COUNT), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    if (onStart) onStart(child);
    let out = '';
    child.stdout.on('data', d => { out += d; });
    child.on('close', code => {
      if (!keep) fs.rmSync(dir, { recursive: true, force: true });
      resolve({ code, stats: JSON.parse(out || '{}') });
    });
  });
}

function expectAll(name, { code, stats }, entries) {
  assert.strictEqual(code, 0, `${name}: send ended with ${code}: ${JSON.stringify(stats)}`);
  assert.strictEqual(stats.acknowledged, COUNT, name);
  const seen = new Map();
  for (const { tag, time, record } of entries) {
    assert.strictEqual(tag, 'weir.alert');
    const key = `${record.alert_id}/${record.seq}`;
    const text = JSON.stringify(record);
    if (seen.has(key)) assert.strictEqual(seen.get(key), text, `${name}: ${key} came twice and differs`);
    seen.set(key, text);
    const n = parseInt(record.alert_id, 16);
    assert.strictEqual(record.columns.Number, n);
    assert.deepStrictEqual(record.columns.Peers, ['203.0.113.25', { port: 587, tls: null }]);
    assert.strictEqual(record.columns.Text, 'é "quoted"\n');
    assert.strictEqual(record.message, 'Mail by an odd process: mail-ws-7');
    assert.strictEqual(time.epoch ?? time._epoch, 1767225600 + n, 'entry time');
  }
  assert.strictEqual(seen.size, COUNT, `${name}: ${seen.size} different alerts of ${COUNT}`);
  for (let n = 1; n <= COUNT; n++) assert(seen.has(`${n.toString(16).padStart(32, '0')}/0`), `${name}: alert ${n}`);
  console.log(`${name}: ${COUNT} alerts, ${entries.length} entries, ${stats.retried} retried, ${stats.errors} errors`);
}

async function plain() {
  const r = await receiver({});
  const result = await run(['--port', r.port]);
  await r.server.close();
  expectAll('ack', result, r.entries);
  assert.strictEqual(r.entries.length, COUNT);
}

async function stalls() {
  const r = await receiver({});
  const line = await relay(r.port, n => ({ mute: n <= 2 }));
  const result = await run(['--port', line.port, '--ack-timeout', '300']);
  await line.close();
  await r.server.close();
  expectAll('stall', result, r.entries);
  assert(line.stats.lostAnswers > 0 && r.entries.length > COUNT, 'nothing was sent twice: the test tests nothing');
  assert(result.stats.retried > 0 && result.stats.errors >= 2);
}

async function drops() {
  const r = await receiver({});
  const line = await relay(r.port, n => (n <= 3 ? { cutAfter: 20000 * n + 777 } : {}));
  const running = run(['--port', line.port]);
  while (line.stats.cuts < 1) await new Promise(s => setTimeout(s, 5));
  await line.gone();
  await new Promise(s => setTimeout(s, 400));
  await line.back();
  const result = await running;
  await line.close();
  await r.server.close();
  expectAll('drop', result, r.entries);
  assert(line.stats.cuts >= 3, 'three connections should have been cut');
}

// Chunk ids in the order in which weir sent them.
function chunkIds(line) {
  const bytes = Buffer.concat(line.stats.sent.splice(0)).toString('latin1');
  return [...bytes.matchAll(/chunk\xb8([A-Za-z0-9+/=]{24})/g)].map(m => m[1]);
}

async function killed() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-forward-'));
  const r = await receiver({});
  let mute = true;
  const line = await relay(r.port, () => ({ mute }));
  const first = await run(['--port', line.port], dir, child => {
    const look = setInterval(() => {
      if (r.entries.length < 200) return;
      clearInterval(look);
      child.kill('SIGKILL');
    }, 5);
  });
  assert.notStrictEqual(first.code, 0);
  const before = chunkIds(line);
  mute = false;
  const result = await run(['--port', line.port], dir);
  const after = chunkIds(line);
  await line.close();
  await r.server.close();
  fs.rmSync(dir, { recursive: true, force: true });
  expectAll('kill', result, r.entries);
  assert(before.length >= 5);
  assert.deepStrictEqual(after.slice(0, before.length), before, 'after the kill the same chunks come again, first');
}

async function shared() {
  const r = await receiver({ security });
  const result = await run(['--port', r.port, '--key', 'secret', '--user', 'bob', '--password', 'pw']);
  expectAll('key', result, r.entries);
  r.entries.length = 0;
  for (const [wrong, text] of [
    [['--key', 'Secret', '--user', 'bob', '--password', 'pw'], /handshake refused/],
    [['--key', 'secret', '--user', 'bob', '--password', 'no'], /handshake refused/],
    [[], /asks for a shared key/],
  ]) {
    const { code, stats } = await run(['--port', r.port, '--after-error', '500', ...wrong]);
    assert.strictEqual(code, 1);
    assert.match(stats.last_error, text);
    assert.strictEqual(r.entries.length, 0, 'alerts were told to a receiver that did not let us in');
  }
  await r.server.close();
  console.log('key: wrong key, wrong password and no key are refused, and said');
}

async function secured() {
  const r = await receiver({ security, tlsOptions: { cert: fs.readFileSync(certFile), key: fs.readFileSync(keyFile) } });
  const key = ['--port', r.port, '--key', 'secret', '--user', 'bob', '--password', 'pw', '--tls'];
  const result = await run([...key, '--ca', certFile, '--tls-name', 'receiver.test']);
  expectAll('tls', result, r.entries);
  r.entries.length = 0;
  const byAddress = await run([...key, '--ca', certFile]);
  expectAll('tls by address', byAddress, r.entries);
  r.entries.length = 0;
  for (const wrong of [['--ca', certFile, '--tls-name', 'other.test'], ['--ca', otherCertFile], []]) {
    const { code, stats } = await run([...key, '--after-error', '500', ...wrong]);
    assert.strictEqual(code, 1);
    assert.match(stats.last_error, /certificate is refused/);
    assert.strictEqual(r.entries.length, 0);
  }
  await r.server.close();
  console.log('tls: another name, another authority and the system authorities are refused');
}

(async () => {
  for (const scenario of [plain, stalls, drops, killed, shared, secured]) await scenario();
  process.exit(0);
})().catch(e => {
  console.error(e);
  process.exit(1);
});
