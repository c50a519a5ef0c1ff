/** The watch breaks, in every way and at every event: the session comes out the same. */
// long
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { RECORDING } from '../lib/lab.js';
import { inLab, isLong, labTest, seeded } from '../lib/lab-test.js';
import { outcome } from '../lib/outcome.js';
import { assertCrashes, assertIncidents, assertMessages, CRASHES, recordedLog, subjectOf } from './expected.js';

const options = { recording: RECORDING, speed: 80 };

const PODS = { verb: 'watch', resource: 'pods' };

/** Faults befall watches that begin after them: those that are open are cut first. */
async function breakWatches(lab, faults) {
  for (const fault of faults) await lab.fault({ ...PODS, ...fault });
  await lab.control('disconnect', { resource: 'pods' });
}

async function play(lab, faults) {
  await lab.startAll();
  await breakWatches(lab, faults);
  await lab.run();
  await lab.waitCluster('finished');
  await lab.clearFaults();
  // Whoever waits for his next try gets to it, and sees the end of the session.
  await lab.control('clock', { advance: 1 });
  await lab.settled();
}

async function assertOutcome(lab) {
  const { crashes, lostCrashes, incidents } = await outcome(lab);
  assertCrashes(crashes);
  assert.equal(lostCrashes, 0);
  assertIncidents(incidents);
  assertMessages(await lab.messages(), await lab.incidents());
}

labTest('the watch ends after every event: it goes on where it was', options, async (lab) => {
  await lab.startAll();
  await breakWatches(lab, [{ action: 'end', at: 1, times: -1 }]);
  await lab.control('clock', { speed: 1 });
  await lab.run();
  await lab.waitCluster('watch:pods:2');
  // A new connection for every event takes longer than the event did: time waits for it.
  await lab.control('clock', { hold: 2, speed: options.speed });
  await lab.finish();
  await assertOutcome(lab);
  const { faults } = await lab.control('state');
  assert.ok(faults.end > 100, JSON.stringify(faults));
});

/**
 * An API server that breaks all the time is asked less and less often, as client-go does, so that a status may come and go
 * unseen: it is told as lost then. Nothing is told twice, and nothing is missing without a word.
 */
for (const [name, faults] of [
  ['is reset in the middle of every second event', [{ action: 'reset', at: 2, times: -1 }]],
  ['answers every event with 410 in the stream', [{ action: 'error-event', status: 410, at: 1, times: -1 }]],
  ['sends a frame that is none after every third event', [{ action: 'bad-frame', at: 3, times: -1 }]],
  [
    'breaks each time in another way',
    Array.from({ length: 400 }, (_, index) => ({
      action: ['end', 'reset', 'error-event', 'bad-frame'][index % 4],
      at: 1 + (index % 5),
      ...(index % 4 === 2 && { status: index % 8 === 2 ? 410 : 500 }),
    })),
  ],
]) {
  labTest(`the watch ${name}: every crash is accounted for`, options, async (lab) => {
    await lab.startAll();
    await breakWatches(lab, faults);
    await lab.run();
    await lab.waitCluster('finished');
    const { faults: met } = await lab.control('state');
    assert.ok(Object.values(met).reduce((sum, count) => sum + count, 0) >= 10, JSON.stringify(met));
    await lab.clearFaults();
    await lab.control('clock', { speed: 10 }); // to the end of the longest pause
    await lab.agentReady();
    await lab.waitCluster('watch:pods:2');
    await lab.settled();
    const { crashes, lostCrashes } = await outcome(lab);
    const ids = crashes.map(({ containerId }) => containerId);
    assert.equal(new Set(ids).size, ids.length, 'nothing twice');
    for (const crash of crashes) {
      const known = CRASHES.find(({ containerId }) => containerId === crash.containerId);
      assert.ok(known, `${crash.pod} ${crash.attempt} is true`);
      if (crash.log.text !== '') assert.equal(crash.log.text, recordedLog(known), `${crash.pod} ${crash.attempt}`);
    }
    assert.equal(crashes.length + lostCrashes, CRASHES.length, `${crashes.length} seen, ${lostCrashes} lost`);
    const keys = (await lab.messages())
      .filter(({ msgtype }) => msgtype !== 'file')
      .map(({ text }) => JSON.stringify(subjectOf(text)));
    assert.equal(new Set(keys).size, keys.length, `nothing is told twice: ${keys}`);
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
  await lab.run();
  for (const time of ['09:13:50', '09:14:30', '09:16:45']) {
    await lab.waitCluster(`time:2026-11-21T${time}Z`);
    await lab.control('clock', { speed: 1 });
    await lab.control('restart', { downSeconds: 0.3, compact: true });
    await lab.waitCluster('watch:pods:2');
    await lab.control('clock', { speed: options.speed });
  }
  await lab.finish();
  await assertOutcome(lab);
});

const generated = { generate: 'pods=20,nodes=1', realTime: true, kubesim: ['--tls'] };

labTest('lists are refused, cut off, garbled and too new, over TLS; then all is well', generated, async (lab) => {
  await lab.startStandIns();
  for (const fault of [
    { action: 'status', status: 429, retryAfter: 1 },
    { action: 'truncate' },
    { action: 'status', status: 504 },
    { action: 'garbage' },
  ]) {
    await lab.fault({ verb: 'list', resource: 'pods', ...fault });
  }
  lab.startCollector();
  lab.startAgent();
  await lab.collectorReady();
  await lab.agentReady();
  await lab.waitCluster('watch:pods:2');
  await lab.run();
  const { pod, containerId } = await lab.control('crash', { exitCode: 3, lines: ['the last word'] });
  await lab.controlWecom('wait?until=messages:1&timeout=60');
  const [message] = await lab.messages();
  assert.ok(message.text.includes(pod) && message.text.includes('the last word'), message.text);
  assert.deepEqual((await lab.crashes()).map((crash) => crash.containerId), [containerId]);
});
