/** watch_decode_*: the recorded pods' watch, decoded as the agent does it. */
import fs from 'node:fs';
import path from 'node:path';
import { binary, ROOT } from './build.js';
import { runToEnd } from './process.js';

const PODS = path.join(ROOT, 'tests', 'recordings', 'pods');
const SLICES = 9;
const SLICE_MS = 100;

const readLines = (name) => fs.readFileSync(path.join(PODS, name), 'utf8').split('\n').filter(Boolean);

/** The watch as the API server sends it. */
function jsonStream() {
  return Buffer.from(readLines('watch.ndjson').map((line) => `${JSON.stringify(JSON.parse(line).event)}\n`).join(''));
}

function protobufStream() {
  const pieces = [];
  for (const line of readLines('watch-pb.ndjson')) {
    const frame = Buffer.from(JSON.parse(line).frame, 'base64');
    const length = Buffer.alloc(4);
    length.writeUInt32BE(frame.length);
    pieces.push(length, frame);
  }
  return Buffer.concat(pieces);
}

/** How many of the stream's lines Node.js parses in a second of CPU time: the median of a few slices. */
function nodeEventsPerSecond(stream) {
  const lines = stream.toString().split('\n').filter(Boolean);
  const rates = [];
  for (let slice = 0; slice < SLICES; slice++) {
    const begin = process.cpuUsage();
    let events = 0;
    let took;
    do {
      for (const line of lines) JSON.parse(line);
      events += lines.length;
      const { user, system } = process.cpuUsage(begin);
      took = (user + system) / 1000;
    } while (took < SLICE_MS);
    rates.push((events * 1000) / took);
  }
  return rates.sort((a, b) => a - b)[SLICES >> 1];
}

async function decode(encoding, { folder }) {
  const stream = encoding === 'json' ? jsonStream() : protobufStream();
  const file = path.join(folder, `watch.${encoding}`);
  fs.writeFileSync(file, stream);
  const { nightjar, peer, streamBytes } = JSON.parse(
    await runToEnd(binary('tests/bench/bench_decode'), [encoding, file]),
  );
  return {
    value: nightjar.eventsPerSecond,
    unit: 'events/s',
    peer: encoding === 'json' ? 'json-c parsing each whole line' : 'protobuf-c unpacking the same fields with malloc',
    peerValue: peer.eventsPerSecond,
    ratio: nightjar.eventsPerSecond / peer.eventsPerSecond,
    bytesAllocatedPerEvent: nightjar.allocatedBytesPerEvent,
    allocationsPerEvent: nightjar.allocationsPerEvent,
    arenaBytesPerEvent: nightjar.arenaBytesPerEvent,
    peerBytesAllocatedPerEvent: peer.allocatedBytesPerEvent,
    peerAllocationsPerEvent: peer.allocationsPerEvent,
    ...(encoding === 'json' && { nodeJsonParsePerSecond: nodeEventsPerSecond(stream) }),
    streamBytes,
  };
}

const TARGETS = ['bench_decode'];

export const benchmarks = {
  watch_decode_protobuf: {
    help: 'events a second of CPU time: framing and decoding the recorded watch of pods as protobuf',
    targets: TARGETS,
    run: (context) => decode('protobuf', context),
  },
  watch_decode_json: {
    help: 'likewise as JSON',
    targets: TARGETS,
    run: (context) => decode('json', context),
  },
};
