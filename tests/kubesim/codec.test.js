import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { textAt, withText } from '../lib/protobuf.js';
import { encode, envelope, openEnvelope, openWatchEvent, watchEvent } from './proto/codec.js';
import { RECORDING } from './testing.js';

const lines = (file) =>
  fs
    .readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
const kinds = fs.readdirSync(RECORDING).filter((kind) => fs.existsSync(path.join(RECORDING, kind, 'list.pb')));

test('there are ten recorded kinds', () => assert.equal(kinds.length, 10));

for (const kind of kinds) {
  test(`every recorded ${kind} event becomes the recorded protobuf, byte for byte`, () => {
    const frames = lines(path.join(RECORDING, kind, 'watch-pb.ndjson')).map(({ frame }) =>
      Buffer.from(frame, 'base64'),
    );
    const events = lines(path.join(RECORDING, kind, 'watch.ndjson')).map(({ event }) => event);
    assert.equal(events.length, frames.length);
    events.forEach(({ type, object }, index) => {
      const raw = encode(object.kind, object);
      const frame = watchEvent(type, envelope(object.apiVersion, object.kind, raw));
      assert.ok(frame.equals(frames[index]), `event ${index}, ${type} ${object.metadata.name}`);
    });
  });
}

test('what an envelope was given comes out of it', () => {
  const raw = encode('Pod', { metadata: { name: 'a', resourceVersion: '7' }, spec: {}, status: {} });
  assert.deepEqual(openEnvelope(envelope('v1', 'Pod', raw)), { apiVersion: 'v1', kind: 'Pod', raw });
  const event = openWatchEvent(watchEvent('ADDED', envelope('v1', 'Pod', raw)));
  assert.deepEqual(event, { type: 'ADDED', apiVersion: 'v1', kind: 'Pod', raw });
});

test('a field that Kubernetes does not have is an error, not left out', () => {
  assert.throws(() => encode('Pod', { metadata: {}, sepc: {} }), /Pod has no field sepc/);
});

test('negative numbers, quantities, maps and ports by name are written as Go does', () => {
  const metadata = { labels: { b: '2', a: '1' } };
  const probe = { httpGet: { port: 'http' } };
  const container = { name: 'c', resources: { limits: { memory: '24Mi' } }, readinessProbe: probe };
  const one = encode('Pod', { metadata, spec: { containers: [container], priority: -1 } });
  const other = encode('Pod', {
    metadata: { labels: { a: '1', b: '2' } },
    spec: { priority: -1, containers: [{ ...container }] },
  });
  assert.ok(one.equals(other));
  assert.ok(one.includes(Buffer.from('ffffffffffffffffff01', 'hex')));
  assert.ok(one.includes(Buffer.from('\x0a\x0424Mi', 'latin1')));
});

test('a version set in protobuf changes nothing else', () => {
  const object = {
    metadata: { name: 'a', uid: 'u', resourceVersion: '7', labels: { x: 'y' } },
    status: { phase: 'Running' },
  };
  const changed = withText(encode('Pod', object), [1, 6], '123456');
  assert.equal(textAt(changed, [1, 6]), '123456');
  assert.ok(changed.equals(encode('Pod', { ...object, metadata: { ...object.metadata, resourceVersion: '123456' } })));
});
