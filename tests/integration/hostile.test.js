/** Peers that lie, babble and repeat: each costs a counter, and the session comes out the same. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import { RECORDING } from '../lib/lab.js';
import { labTest, seeded } from '../lib/lab-test.js';
import { outcome } from '../lib/outcome.js';
import {
  keyIdOf,
  readKey,
  REQUEST_ID_BYTES,
  sealPlain,
  sealRequest,
  SpProxy,
  SpReader,
  spRequest,
  SP_REQ,
  zstdFrame,
} from '../lib/packets.js';
import { metricSum } from '../lib/prometheus.js';
import { Writer } from '../lib/protobuf.js';
import { until } from '../lib/wait.js';
import { assertSession } from './expected.js';

const options = {
  recording: RECORDING,
  speed: 40,
  agent: { collector: { reply_timeout: '300ms', heartbeat: '1s' } },
};

const HALF_OPEN = 300;
const MIB = 1024 * 1024;

/** Beyond what the collector takes (ingest.max_packet_bytes). */
const OVERSIZE = 6 * MIB;

/** More memory than this for what strangers send would be theirs to take. */
const RSS_ROOM_KB = 200 * 1024;

const statusOf = (pid, key) =>
  Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
const fdsOf = (pid) => fs.readdirSync(`/proc/${pid}/fd`).length;

/**
 * A peer of the collector's port that says `bytes`.
 * @returns {{replies: Buffer[], gone: Promise<void>, end: () => void}}
 */
function peer(port, bytes) {
  const reader = new SpReader();
  const replies = [];
  const socket = net.connect(port, '127.0.0.1', () => socket.write(bytes));
  socket.on('data', (chunk) => replies.push(...reader.take(chunk)));
  socket.on('error', () => {});
  const gone = new Promise((resolve) => {
    socket.once('close', resolve);
  });
  return { replies, gone, end: () => socket.destroy() };
}

/** Connections that begin and never go on. */
async function halfOpen(port, random) {
  const sockets = [];
  for (let i = 0; i < HALF_OPEN; i++) {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', () => {});
    await new Promise((resolve) => {
      socket.once('connect', resolve).once('close', resolve);
    });
    if (i % 3 === 1) socket.write(SP_REQ.subarray(0, Math.floor(random() * SP_REQ.length)));
    if (i % 3 === 2) socket.write(Buffer.concat([SP_REQ, spRequest(randomBytes(100)).subarray(0, 50)]));
    sockets.push(socket);
  }
  return sockets;
}

function flipped(packet, random) {
  const changed = Buffer.from(packet);
  changed[40 + Math.floor(random() * (packet.length - 40))] ^= 1 << Math.floor(random() * 8);
  return changed;
}

/** By the reason that the collector gives: packets that it must not take. */
function hostilePackets({ key, packet, random }) {
  const keyId = keyIdOf(packet);
  const stranger = randomBytes(32);
  const seal = (more) => sealRequest({ key, keyId, ...more });
  return {
    format: [
      Buffer.alloc(0),
      randomBytes(10),
      randomBytes(5000),
      packet.subarray(0, 40),
      Buffer.concat([Buffer.from('NJ\x02'), packet.subarray(3)]),
      Buffer.concat([Buffer.from('NJ\x01\x02'), packet.subarray(4)]), // a reply where a request belongs
    ],
    key: [sealPlain(stranger, randomBytes(4), randomBytes(100))],
    authentication: [
      sealPlain(stranger, keyId, randomBytes(100)),
      flipped(packet, random),
      flipped(packet, random),
      packet.subarray(0, packet.length - 1),
    ],
    size: [
      seal({ frame: zstdFrame({ zeros: 512 * MIB }), claimed: 512 * MIB }),
      seal({ frame: zstdFrame({ zeros: 0xffffffff }), claimed: 0xffffffff }),
    ],
    compression: [
      seal({ frame: zstdFrame({ zeros: 1024 * MIB }), claimed: 1000 }), // a bomb that says it is none
      seal({ frame: randomBytes(300), claimed: 1000 }),
      seal({ frame: Buffer.alloc(0), claimed: 8 * MIB }),
    ],
    decode: [
      sealPlain(key, keyId, randomBytes(300)),
      seal({ frame: zstdFrame({ zeros: 8 * MIB }), claimed: 8 * MIB }),
      sealPlain(key, keyId, new Writer().intField(1, 1).stringField(4, 'x'.repeat(100_000)).finish()),
    ],
    version: [sealPlain(key, keyId, new Writer().intField(1, 99).finish())],
  };
}

async function rejections(lab) {
  const metrics = await lab.collectorMetrics();
  return (reason) => metricSum(metrics, 'nightjar_ingest_rejected_packets_total', `reason="${reason}"`);
}

/** Everything that strangers can say, while the session goes on. */
async function attack(lab, proxy, random) {
  const { ingest } = lab.ports;
  const hostile = hostilePackets({ key: readKey(lab.path('key')), packet: proxy.requests[0], random });
  for (const [reason, packets] of Object.entries(hostile)) {
    const before = (await rejections(lab))(reason);
    const { end } = peer(ingest, Buffer.concat([SP_REQ, ...packets.map((packet) => spRequest(packet))]));
    await until(async () => (await rejections(lab))(reason) >= before + packets.length, {
      what: `${packets.length} packets of bad ${reason} are counted`,
      timeoutMs: 10_000,
      programs: [lab.collector],
    });
    end();
    assert.equal((await rejections(lab))(reason), before + packets.length, `${reason}: each is counted once`);
  }
  for (const garbage of [
    randomBytes(10_000),
    Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
    Buffer.concat([SP_REQ, Buffer.alloc(8, 0xff), randomBytes(10_000)]),
    Buffer.concat([Buffer.from([0, 0x53, 0x50, 0, 0, 0x10, 0, 0]), spRequest(proxy.requests[0])]), // no requester
    Buffer.concat([SP_REQ, spRequest(Buffer.alloc(OVERSIZE))]),
  ]) {
    await peer(ingest, garbage).gone; // the collector hangs up
  }
}

/** All that the agent said so far once more, in another order and in one go. */
async function replay(lab, requests, random) {
  const shuffled = requests
    .map((packet) => ({ packet, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ packet }, index) => spRequest(packet, 0x80000000 + index));
  const { replies, end } = peer(lab.ports.ingest, Buffer.concat([SP_REQ, ...shuffled]));
  await until(() => replies.length >= shuffled.length, { what: 'each replayed packet is answered' });
  end();
}

async function withProxy(lab, run) {
  await lab.startStandIns();
  const proxy = new SpProxy();
  lab.collectorPort = await proxy.start(lab.ports.ingest);
  try {
    lab.startCollector();
    await lab.collectorReady();
    lab.startAgent();
    await lab.agentReady();
    await run(proxy);
  } finally {
    await proxy.stop();
  }
}

labTest('strangers babble, lie and repeat what they overheard', options, async (lab, t) => {
  const { random } = seeded(t);
  await withProxy(lab, async (proxy) => {
    const { pid } = lab.collector;
    await until(() => proxy.requests.length > 0, { what: 'the agent said something' });
    const fds = fdsOf(pid);
    const rss = statusOf(pid, 'VmRSS');
    await lab.run();
    const sockets = await halfOpen(lab.ports.ingest, random);
    await attack(lab, proxy, random);
    await lab.waitCluster('time:2026-11-21T09:15:30Z');
    const captured = proxy.requests.slice();
    await replay(lab, captured, random);
    await attack(lab, proxy, random);
    await lab.finish();
    await replay(lab, proxy.requests, random);
    await lab.settled();
    await assertSession(lab, await outcome(lab));

    const rejected = await rejections(lab);
    assert.ok(rejected('replay') >= captured.length, `replays are counted: ${rejected('replay')}`);
    const grown = statusOf(pid, 'VmHWM') - rss;
    assert.ok(grown < RSS_ROOM_KB, `bombs take no memory: it grew by ${grown} KiB`);
    for (const socket of sockets) socket.destroy();
    await until(() => fdsOf(pid) <= fds + 3, { what: 'the collector has closed what strangers opened' });
  });
});

/** What may come in place of an answer, by turns. @type {((body: Buffer, last: Buffer, random: () => number) => Buffer[])[]} */
const LIES = [
  () => [],
  (body) => [body, body],
  (body, last) => [Buffer.concat([body.subarray(0, REQUEST_ID_BYTES), last.subarray(REQUEST_ID_BYTES)])], // to another request
  (body, last) => [last, body],
  (body) => [Buffer.concat([body.subarray(0, REQUEST_ID_BYTES), randomBytes(200)])],
  (body) => [body.subarray(0, body.length - 5)],
  (body) => [body.subarray(0, 2)],
  (body, last, random) => [
    Buffer.concat([body.subarray(0, REQUEST_ID_BYTES), flipped(body.subarray(REQUEST_ID_BYTES), random)]),
  ],
  () => [Buffer.alloc(MIB)],
  () => [randomBytes(100)],
];

labTest('somebody between agent and collector drops, changes, repeats and delays answers, and cuts the line', options, async (
  lab,
  t,
) => {
  const { random } = seeded(t);
  await withProxy(lab, async (proxy) => {
    let last = randomBytes(100);
    let turn = 0;
    proxy.onReply = (body) => {
      const made = turn % 2 ? [body] : LIES[(turn / 2) % LIES.length](body, last, random);
      turn++;
      last = Buffer.from(body);
      return made;
    };
    await lab.run();
    for (let at = 0; at < 10; at++) {
      await until(() => turn > at * 4, { what: 'the collector answers', programs: [lab.agent, lab.collector] });
      proxy.cut();
    }
    await lab.waitCluster('finished');
    await until(() => turn > 2 * LIES.length, { what: 'every lie is told', programs: [lab.agent] });
    await lab.settled();
    await assertSession(lab, await outcome(lab));
    const metrics = await lab.agentMetrics();
    for (const name of ['nightjar_uplink_bad_replies_total', 'nightjar_uplink_timeouts_total']) {
      assert.ok(metricSum(metrics, name) > 0, name);
    }
  });
});
