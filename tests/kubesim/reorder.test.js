import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTime, parseTime } from '../lib/time.js';
import { readRecording } from './recording.js';
import { parseLag, reorder } from './reorder.js';
import { builtInTypes } from './resources.js';
import { post, RECORDING, ask, startKubesim } from './testing.js';

const recorded = readRecording(RECORDING, builtInTypes());
const ofKind = (changes, plural) => changes.filter(({ type }) => type.plural === plural);
const versions = (changes, plural) => ofKind(changes, plural).map(({ version }) => version);

test('nothing is other where nothing is asked for', () => {
  assert.deepEqual(reorder(recorded, { lags: [], splitSlices: false, seed: 1 }).changes, recorded.changes);
});

test('each watch keeps its order, however late; the last lag that fits counts', () => {
  const lags = ['*=0..3', 'services=2', 'endpointslices=0'].map(parseLag);
  const { changes } = reorder(recorded, { lags, splitSlices: false, seed: 7 });
  assert.notDeepEqual(changes.map(({ type }) => type.plural), recorded.changes.map(({ type }) => type.plural));
  for (const plural of ['pods', 'deployments', 'services', 'endpointslices']) {
    assert.deepEqual(versions(changes, plural), versions(recorded.changes, plural), plural);
  }
  const lateness = (plural) => ofKind(changes, plural).map(({ at }, index) => Number(at - ofKind(recorded.changes, plural)[index].at) / 1e9);
  assert.deepEqual(new Set(lateness('services')), new Set([2]));
  assert.deepEqual(new Set(lateness('endpointslices')), new Set([0]));
  assert.ok(lateness('pods').every((seconds) => seconds >= 0 && seconds < 3));
  assert.throws(() => parseLag('pods=late'), /RESOURCE=SECONDS/);
});

test('two halves of a slice hold what the whole did, and what moves is in both for a moment', () => {
  const { changes } = reorder(recorded, { lags: [], splitSlices: true, seed: 3 });
  const halves = new Map();
  let moving = 0;
  const idsOf = (object) => (object.json.endpoints ?? []).map(({ targetRef, addresses }) => targetRef?.uid ?? addresses[0]);
  const wholes = ofKind(recorded.changes, 'endpointslices').filter(({ object }) => object?.key === 'shop/web-l7zmp');
  const split = ofKind(changes, 'endpointslices').filter(({ object }) => /^shop\/web-l7zm(p|-2)$/.test(object?.key));
  for (const whole of wholes.filter(({ event }) => event !== 'DELETED')) {
    for (const { object } of split.filter(({ version }) => version === whole.version)) {
      halves.set(object.key, object);
      const inBoth = [...halves.values()].flatMap(idsOf);
      moving += inBoth.length - new Set(inBoth).size;
    }
    const held = [...halves.values()].flatMap(idsOf);
    if (halves.size === 2) assert.deepEqual(held.sort(), idsOf(whole.object).sort(), 'each is in one of them when the change is over');
  }
  assert.equal(halves.size, 2);
  assert.ok(moving > 0);
  assert.ok(split.length > wholes.length);
  const generations = split.filter(({ object }) => object.key === 'shop/web-l7zmp').map(({ object }) => object.meta.generation);
  assert.deepEqual(generations.slice(1, -1).map((one, index) => one - generations[index]), generations.slice(1, -1).map(() => 1));
});

test('time stops exactly where it is to, after what happens then', async (t) => {
  const { control } = await startKubesim(t, ['--recording', RECORDING, '--speed', 'max', '--start', 'control']);
  const before = recorded.changes.filter(({ at }) => at <= recorded.changes[20].at).length;
  const { json: state } = await ask(`${control}/kubesim/state`);
  const shift = parseTime(state.time) - recorded.start; // without a clock file it starts now
  const at = formatTime(recorded.changes[20].at + shift, 9);
  await post(`${control}/kubesim/clock`, { stopAt: at });
  await post(`${control}/kubesim/start`, {});
  const { json: stopped } = await ask(`${control}/kubesim/wait?until=stopped`);
  assert.deepEqual([stopped.time, stopped.applied], [at, before]);
  await post(`${control}/kubesim/clock`, { stopAt: null });
  assert.equal((await ask(`${control}/kubesim/wait?until=finished`)).json.finished, true);
});
