// A FluentServer whose entries are kept, and a relay before it that loses acknowledgements, cuts connections and goes
// away: the receiver itself is never changed.
'use strict';
const net = require('net');
const { FluentServer } = require('@fluent-org/logger');

async function receiver(options) {
  const server = new FluentServer({ listenOptions: { port: 0, host: '127.0.0.1' }, ...options });
  const entries = [];
  server.on('entry', (tag, time, record) => entries.push({ tag, time, record }));
  await server.listen();
  return { server, entries, port: server.port };
}

// Relay to `target`. plan(n) says what happens to the n-th connection (from 1): {mute: true} loses everything the
// receiver says, {cutAfter: bytes} ends the connection in the middle of what weir sends.
async function relay(target, plan) {
  const sockets = new Set();
  const stats = { connections: 0, lostAnswers: 0, cuts: 0, sent: [] };
  const onClient = client => {
    const rule = plan(++stats.connections) || {};
    const upstream = net.connect(target, '127.0.0.1');
    let passed = 0;
    for (const s of [client, upstream]) {
      sockets.add(s);
      s.on('error', () => {});
      s.on('close', () => { sockets.delete(s); client.destroy(); upstream.destroy(); });
    }
    client.on('data', bytes => {
      if (rule.cutAfter !== undefined && passed + bytes.length > rule.cutAfter) {
        upstream.write(bytes.subarray(0, rule.cutAfter - passed), () => { stats.cuts++; client.destroy(); });
        return;
      }
      passed += bytes.length;
      stats.sent.push(bytes);
      upstream.write(bytes);
    });
    upstream.on('data', bytes => {
      if (rule.mute) stats.lostAnswers++;
      else client.write(bytes);
    });
  };
  let server = net.createServer(onClient);
  await new Promise(r => server.listen(0, '127.0.0.1', r));
  const port = server.address().port;
  return {
    port,
    stats,
    // gone: the port refuses connections until back()
    gone: () => new Promise(r => { server.close(r); for (const s of sockets) s.destroy(); }),
    back: () => new Promise(r => { server = net.createServer(onClient); server.listen(port, '127.0.0.1', r); }),
    close: () => new Promise(r => { server.close(r); for (const s of sockets) s.destroy(); }),
  };
}

module.exports = { receiver, relay };
