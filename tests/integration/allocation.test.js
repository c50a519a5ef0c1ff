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

/** Slow enough for an agent that ends again and again to see each crash before two restarts have taken it away. */
const SPEED = 20;

/** Watches of pods, one by each program: while one is away, time stands still. */
const HOLD = 2;
const TURN_MS = 1000; // how long a rule of RULES holds

/** Among the allocations of so many bytes and more, one in so many fails; by turns. */
const RULES = {
  agent: [
    { min: 1, every: 300 },
    { min: 512, every: 100 },
    { min: 8192, every: 10 },
  ],
  collector: [
    { min: 1, every: 3000 },
    { min: 512, every: 700 },
    { min: 8192, every: 40 },
  ],
};

const OUT_OF_MEMORY = /memory/i;

/**
 * Libraries that end a program themselves: libuv aborts without a word, and nanomsg 1.1.5 uses what it did
 * not get (nn_sock_add_ep). Nothing but the next start can help there.
 */
const ENDS_ITSELF = /^malloc_fail: .* asked for at \S*lib(uv|nanomsg)\.so/;

/**
 * libcurl 7.88 keeps a socket whose table of transfers it has dropped for want of memory (lib/multi.c, singlesocket), and
 * divides by that table's size when the socket is used next: maybe much later.
 */
const DIVIDES_LATER = /^malloc_fail: .* asked for at \S*libcurl\.so/m;

/** What tests/faults/malloc_fail.c reads: which allocations fail. */
class Failures {
  #file;

  constructor(lab) {
    this.#file = lab.path('malloc-fail');
    this.env = { LD_PRELOAD: SHIM, MALLOC_FAIL: this.#file };
    this.set({});
  }

  /** From now on, counting from 0. */
  set({ at = 0, every = 0, min = 1 }) {
    const numbers = Buffer.alloc(32);
    [0, at, every, min].forEach((number, index) => numbers.writeBigUInt64LE(BigInt(number), 8 * index));
    const fd = fs.openSync(this.#file, fs.existsSync(this.#file) ? 'r+' : 'w'); // it is mapped: never shortened
    fs.writeSync(fd, numbers, 0, numbers.length, 0);
    fs.closeSync(fd);
  }

  get count() {
    return Number(fs.readFileSync(this.#file).readBigUInt64LE());
  }
}

const unharmed = { LD_PRELOAD: '', MALLOC_FAIL: '' };

/** It ended by itself: as it should? */
function assertCleanEnd(program, exit) {
  const log = program.logTail(12);
  const failed = log.split('\n').findLast((line) => line.startsWith('malloc_fail: '));
  if (ENDS_ITSELF.test(failed) && ['SIGABRT', 'SIGSEGV'].includes(exit.signal)) return;
  const life = program.logTail(10_000).split(' INFO main: ').at(-1);
  if (exit.signal === 'SIGFPE' && DIVIDES_LATER.test(life)) return;
  const where = `${JSON.stringify(exit)}\n${log}`;
  if (exit.signal === 'SIGABRT') {
    assert.match(log, OUT_OF_MEMORY, `${program.name} says why it aborts: ${where}`);
  } else {
    assert.equal(exit.signal, null, `${program.name} is not killed by a signal: ${where}`);
    assert.notEqual(exit.code, 0, `${program.name} ends with a failure: ${where}`);
    assert.match(log, OUT_OF_MEMORY, `${program.name} says why it ends: ${where}`);
  }
}

/** Waits for one or the other. @returns {Promise<'ready' | 'ended'>} */
async function readyOrEnded(program, url) {
  const deadline = performance.now() + HANG_MS;
  for (;;) {
    if (!program.isRunning) return 'ended';
    const ready = await ask(`${url}/readyz`).then(
      ({ status }) => status === 200,
      () => false,
    );
    if (ready) return 'ready';
    assert.ok(performance.now() < deadline, `${program.name} hangs\n${program.logTail(12)}`);
    await pause(5);
  }
}

/** The one that is tested, by its short name. */
const start = (lab, name, env) => (name === 'agent' ? lab.startAgent(undefined, env) : lab.startCollector(env));
const urlOf = (lab, name) => (name === 'agent' ? lab.agentUrl() : lab.apiUrl);

async function sampleStarts(lab, t, name, random) {
  const failures = new Failures(lab);
  const program = start(lab, name, failures.env);
  assert.equal(await readyOrEnded(program, urlOf(lab, name)), 'ready');
  const { count } = failures;
  await program.stop();
  const tally = { ready: 0, ended: 0 };
  for (let i = 0; i < STARTS; i++) {
    // In each of as many equal parts one.
    failures.set({ at: 1 + Math.floor(((i + random()) * count) / STARTS) });
    start(lab, name, failures.env);
    const state = await readyOrEnded(program, urlOf(lab, name));
    if (state === 'ended') assertCleanEnd(program, program.exit);
    tally[state]++;
    await program.kill();
  }
  t.diagnostic(`${name}: of ${count} allocations until it is ready ${STARTS} failed: ${JSON.stringify(tally)}`);
  assert.ok(tally.ended > 0, 'failures are felt');
}

test('an allocation fails while a program starts', async (t) => {
  const { random } = seeded(t);
  const options = { generate: 'pods=20', realTime: true, speed: 1, build: RELEASE, wecomsim: [] };
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

/** Time stands still while a watch is away; but a program waits in that same time before it watches again. */
async function letRetry(lab) {
  const { watches } = await lab.control('state');
  if (watches.filter(({ resource }) => resource === 'pods').length < HOLD) await lab.control('clock', { advance: 0.1 });
}

/** Keeps a program running, its allocations failing once it is ready, until stop(). @returns {{stop: () => Promise<object>}} */
function keepRunning(lab, name, random) {
  const failures = new Failures(lab);
  const program = lab[name];
  const rules = RULES[name];
  let starts = 0;
  let turn = 0;
  let stopped = false;
  const harm = async () => {
    const rule = rules[turn++ % rules.length];
    failures.set({ ...rule, at: Math.ceil(random() * rule.every) });
    for (const end = performance.now() + TURN_MS; program.isRunning && !stopped && performance.now() < end; ) {
      await letRetry(lab);
      await pause(10);
    }
  };
  const work = async () => {
    await program.kill();
    while (!stopped) {
      failures.set({});
      start(lab, name, failures.env);
      starts++;
      assert.equal(await readyOrEnded(program, urlOf(lab, name)), 'ready');
      // What one life has not stored the next one must find before it is gone: at SPEED that is soon.
      if (name === 'agent') await lab.catchUp(SPEED);
      while (program.isRunning && !stopped) await harm();
      if (!program.isRunning) assertCleanEnd(program, program.exit);
    }
    await program.kill();
  };
  const done = work();
  const broken = new Promise((_resolve, reject) => {
    done.catch(reject);
  });
  broken.catch(() => {}); // stop() tells, too
  return {
    /** Is rejected when it did not end as it should, or did not start. */
    broken,
    async stop() {
      stopped = true;
      await done;
      return { starts, failures: (fs.readFileSync(program.log, 'utf8').match(/^malloc_fail:/gm) ?? []).length };
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
  const wanted = (await lab.incidents()).filter(({ suppressed }) => !suppressed).flatMap(({ id, state }) => [
    `${id} opened`,
    ...(state === 'resolved' ? [`${id} resolved`] : []),
  ]);
  const hook = (await lab.messages('hook:default')).map(({ json }) => `${json.incident.id} ${json.transition}`);
  const missing = wanted.find((each) => !hook.includes(each))?.split(' ')[0];
  const ledger = missing && (await lab.api(`/api/v1/incidents/${missing}/notifications`)).text;
  assert.deepEqual(hook.sort(), wanted.sort(), ledger);
}

for (const victim of ['agent', 'collector']) {
  labTest(`allocations of the ${victim} fail during the session`, options, async (lab, t) => {
    const { random } = seeded(t, 1);
    await lab.startAll();
    await lab.control('clock', { hold: HOLD });
    const kept = keepRunning(lab, victim, random);
    await lab.run();
    await Promise.race([lab.waitCluster('finished'), kept.broken]);
    const tally = await kept.stop();
    t.diagnostic(`${victim}: ${tally.failures} allocations failed, ${tally.starts} starts`);
    assert.ok(tally.failures > 3, 'failures are felt');
    start(lab, victim, unharmed);
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
