/** Somebody sets the machines' clocks, by an hour forth and back: no crash is lost or told twice, and no timer is stuck. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { ROOT } from '../lib/lab.js';
import { labTest } from '../lib/lab-test.js';
import { metricSum } from '../lib/prometheus.js';
import { until } from '../lib/wait.js';
import { assertMessages } from './expected.js';

const RELEASE = path.resolve(process.env.NIGHTJAR_RELEASE ?? path.join(ROOT, 'build', 'release'));
const SHIM = path.join(RELEASE, 'tests', 'faults', 'libwall_clock.so');
const HOUR_S = 3600;

/** Where the clocks stand while something crashes, beside the right time; the cluster's own clock is always right. */
const SHIFTS_S = [HOUR_S, -HOUR_S, 0, -HOUR_S];

const options = {
  generate: 'pods=20',
  realTime: true,
  speed: 1,
  build: RELEASE,
  wecomsim: ['--rate', '1000'],
  agent: { crash: { stable_after: '2s' }, collector: { heartbeat: '1s' } },
  collector: (lab) => ({
    notify: {
      channels: [{ name: 'wecom', type: 'wecom_robot', url_file: lab.robotFile(), rate_per_minute: 1000 }],
    },
  }),
};

/** The wall clock of one program. */
class WallClock {
  constructor(lab, name) {
    this.#file = lab.path(`shift-${name}`);
    fs.writeFileSync(this.#file, Buffer.alloc(8));
    this.env = { LD_PRELOAD: SHIM, WALL_CLOCK_SHIFT: this.#file };
  }

  #file;

  set(seconds) {
    const shift = Buffer.alloc(8);
    shift.writeBigInt64LE(BigInt(seconds) * 1_000_000_000n);
    const fd = fs.openSync(this.#file, 'r+'); // it is mapped: never shortened
    fs.writeSync(fd, shift, 0, shift.length, 0);
    fs.closeSync(fd);
  }
}

async function podNames(lab) {
  const answer = await fetch(`${lab.cluster.api}/api/v1/pods`);
  return (await answer.json()).items.map(({ metadata }) => ({ namespace: metadata.namespace, pod: metadata.name }));
}

/** As `stages` say, the clocks are set; with each a container crashes before and one after. */
async function crashAndShift(lab, stages) {
  const pods = await podNames(lab);
  const made = [];
  const crash = async () => {
    // Pods of the same workload share an incident: every crash is another workload's.
    const target = pods[made.length % pods.length];
    made.push(await lab.control('crash', { ...target, exitCode: made.length + 1, restartAfter: 1 }));
  };
  const programs = [lab.agent, lab.collector];
  for (const set of stages) {
    await crash();
    set();
    await crash();
    await until(async () => (await lab.crashes()).length >= made.length, { what: 'the crashes arrive', programs });
    const beats = metricSum(await lab.agentMetrics(), 'nightjar_uplink_batches_total');
    await until(async () => metricSum(await lab.agentMetrics(), 'nightjar_uplink_batches_total') > beats, {
      what: 'the heart beats',
      timeoutMs: 10_000,
      programs,
    });
  }
  await until(async () => (await lab.incidents()).every(({ state }) => state === 'resolved'), {
    what: 'what stays up is well again',
    timeoutMs: 20_000,
    programs,
  });
  await lab.collectorReady();
  await lab.agentReady();
  return made;
}

async function assertAll(lab, made) {
  await lab.settled();
  const crashes = await lab.crashes();
  assert.deepEqual(
    crashes.map(({ containerId, exitCode }) => `${containerId} ${exitCode}`).sort(),
    made.map(({ containerId, exitCode }) => `${containerId} ${exitCode}`).sort(),
  );
  const incidents = await lab.incidents();
  assert.equal(
    incidents.reduce((sum, { lost }) => sum + lost, 0),
    0,
  );
  assert.equal(
    incidents.reduce((sum, { count }) => sum + count, 0),
    made.length,
  );
  assertMessages(await lab.messages(), incidents);
}

for (const [name, who] of [
  ['both clocks jump', ['agent', 'collector']],
  ["the agent's clock jumps", ['agent']],
  ["the collector's clock jumps", ['collector']],
]) {
  labTest(name, options, async (lab) => {
    await lab.startStandIns();
    const clocks = { agent: new WallClock(lab, 'agent'), collector: new WallClock(lab, 'collector') };
    lab.startCollector(clocks.collector.env);
    lab.startAgent(undefined, clocks.agent.env);
    await lab.run();
    await lab.collectorReady();
    await lab.agentReady();
    const stages = SHIFTS_S.map((seconds) => () => who.forEach((program) => clocks[program].set(seconds)));
    const made = await crashAndShift(lab, stages);
    await assertAll(lab, made);
  });
}
