import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openEnvelope } from './proto/codec.js';
import { textAt } from '../lib/protobuf.js';
import { ask, post, PROTOBUF, send, startKubesim, take, watch } from './testing.js';

const GENERATED = ['--generate', 'pods=20,size=3000', '--start', 'control'];

/** A cluster of 20 pods; `pods` is their URL. */
async function start(t, ...more) {
  const started = await startKubesim(t, [...GENERATED, ...more]);
  const { body, json } = await ask(`${started.api}/api/v1/pods`);
  assert.ok(body.length > 0);
  const version = json.metadata.resourceVersion;
  return {
    ...started,
    pods: `${started.api}/api/v1/pods`,
    from: `${started.api}/api/v1/pods?resourceVersion=${version}`,
    fault: (rule) => post(`${started.control}/kubesim/faults`, rule),
    crash: (options = { restartAfter: 0 }) => post(`${started.control}/kubesim/crash`, options),
    until: (condition) => ask(`${started.control}/kubesim/wait?timeout=10&until=${condition}`),
  };
}

test('a status is answered as often as was said, with Retry-After and the Status in both encodings', async (t) => {
  const { pods, fault } = await start(t);
  await fault({ action: 'status', status: 429, retryAfter: 3, verb: 'list', times: 2 });
  const json = await ask(pods);
  assert.deepEqual([json.status, json.headers['retry-after'], json.json.reason], [429, '3', 'TooManyRequests']);
  const proto = await ask(pods, { headers: { accept: PROTOBUF } });
  const { kind, raw } = openEnvelope(proto.body);
  assert.deepEqual([proto.status, kind, textAt(raw, [4])], [429, 'Status', 'TooManyRequests']);
  assert.equal((await ask(pods)).status, 200);
});

test('the usual refusals carry the reasons that clients look for', async (t) => {
  const { pods, fault } = await start(t);
  await fault({ action: 'status', status: 410 });
  assert.equal((await ask(pods)).json.reason, 'Expired');
  await fault({ action: 'status', status: 504 });
  const tooLarge = (await ask(pods)).json;
  assert.equal(tooLarge.details.causes[0].reason, 'ResourceVersionTooLarge');
  await fault({ action: 'status', status: 403, resource: 'pods' });
  assert.match((await ask(pods)).json.message, /^pods is forbidden: User .* cannot list resource "pods"/);
});

test('a rule befalls only what it names, after what it lets pass', async (t) => {
  const { api, pods, fault, control } = await start(t);
  await fault({ action: 'status', verb: 'list', resource: 'nodes' });
  await fault({ action: 'status', verb: 'list', resource: 'pods', skip: 1, agent: 'collector' });
  const headers = { 'user-agent': 'nightjar-collector/1' };
  assert.equal((await ask(pods)).status, 200);
  assert.equal((await ask(pods, { headers })).status, 200);
  assert.equal((await ask(pods, { headers })).status, 500);
  assert.equal((await ask(`${api}/api/v1/nodes`)).status, 500);
  const state = (await ask(`${control}/kubesim/state`)).json;
  assert.deepEqual([state.befallen, state.faults.status], [2, 2]);
});

test('a rule that cannot be meant is refused', async (t) => {
  const { fault } = await start(t);
  assert.match((await fault({ action: 'explode' })).json.error, /"explode": one of status/);
  assert.match((await fault({ action: 'hang', colour: 'red' })).json.error, /no "colour"/);
});

test('silence, resets and garbage are what they say', async (t) => {
  const { pods, fault } = await start(t);
  await fault({ action: 'close' });
  await assert.rejects(ask(pods), /ECONNRESET|socket hang up/);
  await fault({ action: 'hang' });
  await assert.rejects(send(pods, { signal: AbortSignal.timeout(300) }), /aborted/i);
  await fault({ action: 'truncate' });
  await assert.rejects(ask(pods), /aborted|ECONNRESET/);
  await fault({ action: 'garbage' });
  const garbage = await send(pods);
  assert.equal(garbage.statusCode, 200);
  garbage.resume();
  assert.equal((await ask(pods)).status, 200);
});

test('a slow body arrives whole', async (t) => {
  const { api, fault } = await start(t);
  await fault({ action: 'slow', bytesPerSecond: 20_000 });
  const { json } = await ask(`${api}/apis/apps/v1/replicasets`);
  assert.equal(json.items.length, 2);
});

test('a watch ends cleanly after event N, and resumes from its version', async (t) => {
  const { from, pods, fault, crash } = await start(t);
  await fault({ action: 'end', at: 2 });
  const events = take(watch(from), 99);
  for (let index = 0; index < 3; index++) await crash();
  const seen = await events;
  assert.equal(seen.length, 2);
  const [next] = await take(watch(`${pods}?resourceVersion=${seen.at(-1).version}`), 1);
  assert.equal(Number(next.version), Number(seen.at(-1).version) + 1);
});

for (const accept of ['application/json', PROTOBUF]) {
  test(`a watch is reset in the middle of event N (${accept})`, async (t) => {
    const { from, fault, crash, until } = await start(t);
    await fault({ action: 'reset', verb: 'watch', at: 2 });
    const events = watch(from, { accept });
    const first = events.next();
    await until('watch:pods');
    await crash();
    await first;
    const second = events.next();
    await crash();
    await assert.rejects(second, /aborted|ECONNRESET|within an event/);
    assert.equal((await until('fault:reset')).status, 200);
  });
}

test('a watch falls silent in the middle of an event, and the others go on', async (t) => {
  const { from, fault, crash, until } = await start(t);
  await fault({ action: 'stall', at: 1 });
  const silent = take(watch(`${from}&timeoutSeconds=1`), 9);
  silent.catch(() => {});
  await until('watch:pods');
  const healthy = take(watch(from), 1);
  await until('watch:pods:2');
  await crash();
  assert.equal((await healthy).length, 1);
  await assert.rejects(silent, /within an event/);
});

test('an ERROR event says 410 within a watch that began well', async (t) => {
  const { from, fault } = await start(t);
  await fault({ action: 'error-event' });
  const [event] = await take(watch(from), 2);
  assert.deepEqual([event.type, event.object.code, event.object.reason], ['ERROR', 410, 'Expired']);
});

test('frames that are none, and one that never ends', async (t) => {
  const { from, fault } = await start(t);
  await fault({ action: 'bad-frame' });
  await assert.rejects(take(watch(`${from}&timeoutSeconds=1`), 1), SyntaxError);
  await fault({ action: 'huge-frame' });
  const response = await send(`${from}&watch=1`, { headers: { accept: PROTOBUF } });
  let received = 0;
  for await (const chunk of response) {
    received += chunk.length;
    if (received > 4 * 1024 * 1024) break;
  }
  assert.ok(received > 4 * 1024 * 1024);
});

test('bookmarks come when they are asked for, and stop when told', async (t) => {
  const { from, fault, control, until } = await start(t);
  const bookmark = () => post(`${control}/kubesim/bookmark`, { resource: 'pods' });
  const wanted = take(watch(`${from}&allowWatchBookmarks=true`), 1);
  await until('watch:pods');
  await bookmark();
  assert.equal((await wanted)[0].type, 'BOOKMARK');
  await fault({ action: 'no-bookmarks' });
  const without = take(watch(`${from}&allowWatchBookmarks=true&timeoutSeconds=1`), 1);
  await until('watch:pods');
  await bookmark();
  assert.deepEqual(await without, []);
});

test('the server goes, comes back on its port, and may have forgotten its history', async (t) => {
  const { from, pods, control, crash } = await start(t);
  await crash();
  const cut = take(watch(`${pods}?resourceVersion=0`), 99);
  await post(`${control}/kubesim/restart`, { compact: true }).then(() => assert.rejects(cut, /aborted|ECONNRESET/));
  const [event] = await take(watch(from), 1);
  assert.deepEqual([event.type, event.object.reason], ['ERROR', 'Expired']);
  assert.equal((await ask(pods)).status, 200);
});
