/**
 * Memory runs out, at one allocation after another: a program goes on without, or ends cleanly (by abort, having said why)
 * and is started again by the test, as the kubelet would. Never does it crash, hang, lose anything or tell it twice.
 */
// long
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { ask, RECORDING, ROOT } from '../lib/lab.js';
import { inLab, isLong, labTest, seeded } from '../lib/lab-test.js';
import { outcome } from '../lib/outcome.js';
import { pause, until } from '../lib/wait.js';
import { assertCrashes, assertIncidents, subjectOf } from './expected.js';

/** Sanitizers have an allocator of their own. */
const RELEASE = path.resolve(process.env.NIGHTJAR_RELEASE ?? path.join(ROOT, 'build', 'release'));
const SHIM = path.join(RELEASE, 'tests', 'faults', 'libmalloc_fail.so');

const STARTS = isLong ? 400 : 25; // of each program
const HANG_MS = 20_000;
const SPEED = 40;

/** Every so many allocations one fails; and only among those of so many bytes. */
const RULES = [
  { every: 40_000, min: 1 },
  { every: 7000, min: 512 },
  { every: 300, min: 8192 },
];

const OUT_OF_MEMORY = /out of memory|memory/i;

const failing = (lab, rule) => ({
  LD_PRELOAD: SHIM,
  MALLOC_FAIL_COUNT: lab.path('allocations'),
  ...Object.fromEntries(Object.entries(rule).map(([key, value]) => [`MALLOC_FAIL_${key.toUpperCase()}`, String(value)])),
});
const unharmed = { LD_PRELOAD: '', MALLOC_FAIL_COUNT: '' };

const allocationsSoFar = (lab) => Number(fs.readFileSync(lab.path('allocations')).readBigUInt64LE());

/** It ended by itself: as it should? */
function assertCleanEnd(program, exit) {
  const log = program.logTail(12);
  const where = `${JSON.stringify(exit)}\n${log}`;
  if (exit.signal === 'SIGABRT') {
    assert.match(log, OUT_OF_MEMORY, `${program.name} says why it aborts: ${where}`);
  } else {
    assert.equal(exit.signal, null, `${program.name} is not killed by a signal: ${where}`);
    assert.notEqual(exit.code, 0, `${program.name} ends with a failure: ${where}`);
    assert.match(log, OUT_OF_MEMORY, `${program.name} says why it ends: ${where}`);
  }
}

/** Starts it with the N-th allocation failing; sees it ready or cleanly ended. @returns {Promise<string>} what it did */
async function startOnce(lab, name, number) {
  const env = failing(lab, { at: number });
  fs.rmSync(lab.path('allocations'), { force: true });
  const program = name === 'agent' ? lab.startAgent(undefined, env) : lab.startCollector(env);
  const url = name === 'agent' ? lab.agentUrl() : lab.apiUrl;
  const deadline = performance.now() + HANG_MS;
  for (;;) {
    if (!program.isRunning) {
      assertCleanEnd(program, program.exit);
      return 'ended';
    }
    const ready = await ask(`${url}/readyz`).then(
      ({ status }) => status === 200,
      () => false,
    );
    if (ready) return 'ready';
    assert.ok(performance.now() < deadline, `${name} hangs: allocation ${number}\n${program.logTail(12)}`);
    await pause(5);
  }
}

async function sampleStarts(lab, t, name, random) {
  const program = () => (name === 'agent' ? lab.agent : lab.collector);
  assert.equal(await startOnce(lab, name, 0), 'ready');
  const count = allocationsSoFar(lab);
  await program().stop();
  const tally = { ready: 0, ended: 0 };
  for (let i = 0; i < STARTS; i++) {
    // In each of as many equal parts one.
    const number = 1 + Math.floor(((i + random()) * count) / STARTS);
    tally[await startOnce(lab, name, number)]++;
    await program().kill();
  }
  t.diagnostic(`${name}: of ${count} allocations until it is ready ${STARTS} failed: ${JSON.stringify(tally)}`);
  assert.ok(tally.ended > 0, 'failures are felt');
}

test('an allocation fails while a program starts', async (t) => {
  const { random } = seeded(t);
  const options = { generate: 'pods=20', realTime: true, build: RELEASE, wecomsim: [] };
  await inLab(t, options, async (lab) => {
    await lab.startStandIns();
    await lab.run();
    await sampleStarts(lab, t, 'collector', random);
    lab.startCollector(unharmed);
    await lab.collectorReady();
    await sampleStarts(lab, t, 'agent', random);
    await lab.agent.kill();
    lab.startAgent(undefined, unharmed);
    await lab.agentReady();
  });
});

/** Keeps a program running, with failing allocations, until stop(). @returns {{stop: () => Promise<object>}} */
function keepRunning(lab, program, start, random) {
  const tally = { starts: 0, failures: 0 };
  let stopped = false;
  const launch = () => {
    const rule = RULES[tally.starts++ % RULES.length];
    start(failing(lab, { ...rule, at: Math.ceil(random() * rule.every) }));
  };
  const watch = async () => {
    while (!stopped) {
      const exit = await Promise.race([program.ended, pause(50)]);
      if (!exit || stopped) continue;
      assertCleanEnd(program, exit);
      launch();
    }
  };
  const done = program.kill().then(() => {
    launch();
    return watch();
  });
  done.catch(() => {}); // stop() tells
  return {
    async stop() {
      stopped = true;
      await done;
      tally.failures = (fs.readFileSync(program.log, 'utf8').match(/^malloc_fail:/gm) ?? []).length;
      await program.kill();
      return tally;
    },
  };
}

const options = {
  recording: RECORDING,
  build: RELEASE,
  speed: SPEED,
  wecomsim: ['--rate', '1000'],
  collector: (lab) => ({
    notify: {
      channels: [
        { name: 'wecom', type: 'wecom_robot', url_file: lab.robotFile(), rate_per_minute: 1000 },
        { name: 'hook', type: 'webhook', url_file: lab.path('hook-url'), rate_per_minute: 1000, retries: 100 },
      ],
      routes: [{ group: 'everybody', channels: ['wecom', 'hook'] }],
    },
  }),
};

/** A robot is told nothing twice; a webhook, which can tell repeats apart, each transition once. */
async function assertTold(lab) {
  const robot = (await lab.messages('robot:robot-1'))
    .filter(({ msgtype }) => msgtype !== 'file')
    .map(({ text }) => JSON.stringify(subjectOf(text)));
  assert.equal(new Set(robot).size, robot.length, `nothing is told twice: ${robot}`);
  const wanted = (await lab.incidents()).flatMap(({ id, state }) => [
    `${id} opened`,
    ...(state === 'resolved' ? [`${id} resolved`] : []),
  ]);
  const hook = (await lab.messages('hook:default')).map(({ json }) => `${json.incident.id} ${json.transition}`);
  assert.deepEqual(hook.sort(), wanted.sort());
}

for (const victim of ['agent', 'collector']) {
  labTest(`allocations of the ${victim} fail during the session`, options, async (lab, t) => {
    const { random } = seeded(t, 1);
    await lab.startAll();
    await lab.control('clock', { hold: 2 }); // while one is away, time stands still
    const kept =
      victim === 'agent'
        ? keepRunning(lab, lab.agent, (env) => lab.startAgent(undefined, env), random)
        : keepRunning(lab, lab.collector, (env) => lab.startCollector(env), random);
    await lab.run();
    await lab.waitCluster('finished');
    const tally = await kept.stop();
    t.diagnostic(`${victim}: ${tally.failures} allocations failed, ${tally.starts} starts`);
    assert.ok(tally.failures > 5 && tally.starts > 1, JSON.stringify(tally));
    if (victim === 'agent') lab.startAgent(undefined, unharmed);
    else lab.startCollector(unharmed);
    await lab.collectorReady();
    await lab.agentReady();
    await lab.settled();
    const { crashes, lostCrashes, incidents } = await outcome(lab);
    assertCrashes(crashes);
    assert.equal(lostCrashes, 0);
    assertIncidents(incidents);
    await assertTold(lab);
  });
}
