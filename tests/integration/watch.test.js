/** The watch breaks, in every way and at every event: the session comes out the same. */
// long
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { RECORDING } from '../lib/lab.js';
import { inLab, isLong, labTest, seeded } from '../lib/lab-test.js';
import { outcome } from '../lib/outcome.js';
import { assertCrashes, assertIncidents, assertMessages } from './expected.js';

const options = { recording: RECORDING, speed: 40 };

/** Only the agents' and the collector's watches of pods; time stands still while one of them is away. */
const PODS = { verb: 'watch', resource: 'pods' };
const HOLD = 2;

async function play(lab, faults) {
  await lab.startAll();
  await lab.control('clock', { hold: HOLD });
  for (const fault of faults) await lab.fault({ ...PODS, ...fault });
  if (faults.length > 0) await lab.control('disconnect', { resource: 'pods' }); // watches begun before know no fault
  await lab.run();
  await lab.waitCluster('finished', 600);
  await lab.clearFaults();
  await lab.control('disconnect', { resource: 'pods' });
  await lab.settled();
}

async function assertOutcome(lab) {
  const { crashes, lostCrashes, incidents } = await outcome(lab);
  assertCrashes(crashes);
  assert.equal(lostCrashes, 0);
  assertIncidents(incidents);
  assertMessages(await lab.messages(), await lab.incidents());
}

const EVERY = { at: 1, times: -1 };

for (const [name, faults] of [
  ['ends after every event', [{ action: 'end', ...EVERY }]],
  ['is reset in the middle of every second event', [{ action: 'reset', at: 2, times: -1 }]],
  ['answers every event with 410 in the stream', [{ action: 'error-event', status: 410, ...EVERY }]],
  ['sends a frame that is none after every third event', [{ action: 'bad-frame', at: 3, times: -1 }]],
  [
    'breaks each time in another way',
    Array.from({ length: 40 }, (_, index) => ({
      action: ['end', 'reset', 'error-event', 'bad-frame'][index % 4],
      at: 1 + (index % 5),
      ...(index % 4 === 2 && { status: index % 8 === 2 ? 410 : 500 }),
    })),
  ],
]) {
  labTest(`the watch ${name}`, options, async (lab) => {
    await play(lab, faults);
    await assertOutcome(lab);
    const { faults: met } = await lab.control('state');
    assert.ok(Object.values(met).reduce((sum, count) => sum + count, 0) >= 20, JSON.stringify(met));
  });
}

/** Events of pods in the recording: how many places there are to break at. */
const EVENTS = fs.readFileSync(path.join(RECORDING, 'pods', 'watch.ndjson'), 'utf8').trimEnd().split('\n').length;
const SAMPLE = 6;

test('sessions whose watch breaks once, at one event or another', async (t) => {
  const { random } = seeded(t);
  const places = isLong
    ? Array.from({ length: EVENTS }, (_, index) => index + 1)
    : Array.from({ length: SAMPLE }, () => 1 + Math.floor(random() * EVENTS));
  const actions = ['end', 'reset', 'error-event'];
  for (const [index, at] of places.entries()) {
    const action = actions[index % actions.length];
    await t.test(`${action} at event ${at}`, (own) =>
      inLab(own, options, async (lab) => {
        await play(lab, [{ action, at, times: 2 }]);
        await assertOutcome(lab);
      }),
    );
  }
});

labTest('the API server goes away and comes back, having forgotten', options, async (lab) => {
  await lab.startAll();
  await lab.control('clock', { hold: HOLD });
  await lab.run();
  for (const time of ['09:13:40', '09:14:20', '09:16:40']) {
    await lab.waitCluster(`time:2026-11-21T${time}Z`);
    await lab.control('restart', { downSeconds: 0.3, compact: true });
  }
  await lab.finish();
  await assertOutcome(lab);
});

labTest('lists are refused, slow, cut off and too many', { ...options, kubesim: ['--tls'] }, async (lab) => {
  await lab.startStandIns();
  for (const fault of [
    { action: 'status', status: 429, retryAfter: 1 },
    { action: 'status', status: 503 },
    { action: 'truncate' },
    { action: 'garbage' },
    { action: 'close' },
    { action: 'status', status: 504 },
  ]) {
    await lab.fault({ verb: 'list', resource: 'pods', ...fault });
  }
  lab.startCollector();
  lab.startAgent();
  await lab.collectorReady();
  await lab.agentReady();
  await lab.run();
  await lab.finish();
  await assertOutcome(lab);
});
