/** A cluster that changes without end: neither program's memory nor its descriptors grow. */
// long
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { ROOT } from '../lib/lab.js';
import { isLong, labTest } from '../lib/lab-test.js';
import { metricSum } from '../lib/prometheus.js';
import { pause } from '../lib/wait.js';

/** Sanitizers keep what was freed: memory is measured without. */
const RELEASE = path.resolve(process.env.NIGHTJAR_RELEASE ?? path.join(ROOT, 'build', 'release'));

const MINUTE_MS = 60_000;
const WARM_UP_MS = isLong ? 10 * MINUTE_MS : 14_000;
const WINDOW_MS = isLong ? 25 * MINUTE_MS : 12_000; // there are two
const LOOK_EVERY_MS = isLong ? 2000 : 200;
const SPEED = 20;

/** Of the medians of both windows. What the collector's page cache takes is bounded, but it takes long to fill. */
const GROWTH_KB = { agent: 256, collector: isLong ? 8192 : 1024 };
const GROWTH_FDS = 2;

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** Memory of its own, without files that are mapped; open descriptors. */
function measure({ pid }) {
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  return { kb: Number(/^RssAnon:\s+(\d+)/m.exec(status)[1]), fds: fs.readdirSync(`/proc/${pid}/fd`).length };
}

/** @returns {Promise<Record<string, {kb: number, fds: number}>>} medians, by program */
async function watchFor(lab, ms) {
  const seen = { agent: [], collector: [] };
  for (const end = performance.now() + ms; performance.now() < end; ) {
    for (const name of Object.keys(seen)) seen[name].push(measure(lab[name]));
    await pause(LOOK_EVERY_MS);
  }
  return Object.fromEntries(
    Object.entries(seen).map(([name, looks]) => [
      name,
      { kb: median(looks.map(({ kb }) => kb)), fds: median(looks.map(({ fds }) => fds)) },
    ]),
  );
}

labTest(
  'pods come, go, change and crash',
  {
    generate: 'pods=110,churn=10,crashes=0.5',
    build: RELEASE,
    speed: SPEED,
    endSpeed: SPEED,
    kubesim: ['--history', '2000'],
    timeoutMs: 2 * WINDOW_MS + WARM_UP_MS + 5 * MINUTE_MS,
  },
  async (lab, t) => {
    await lab.startAll();
    await lab.run();
    await watchFor(lab, WARM_UP_MS);
    const before = await watchFor(lab, WINDOW_MS);
    const after = await watchFor(lab, WINDOW_MS);
    await lab.control('clock', { speed: 0 });
    await lab.settled({ told: false });

    const metrics = await lab.agentMetrics();
    const seen = metricSum(metrics, 'nightjar_agent_crashes_total');
    const crashes = await lab.crashes();
    const { events } = await lab.control('state');
    t.diagnostic(`${events.pods} changes of pods sent, ${seen} crashes`);
    for (const name of Object.keys(after)) {
      t.diagnostic(`${name}: ${before[name].kb} KiB, then ${after[name].kb}; ${after[name].fds} descriptors`);
    }
    assert.ok(crashes.length > 100, `${crashes.length} crashes`);
    assert.equal(crashes.length, seen, 'each crash that the agent saw has arrived, once');
    assert.equal(metricSum(metrics, 'nightjar_agent_lost_crashes_total'), 0);
    for (const name of Object.keys(after)) {
      const kb = after[name].kb - before[name].kb;
      assert.ok(kb <= GROWTH_KB[name], `the ${name}'s memory is flat: it grew by ${kb} KiB`);
      const fds = after[name].fds - before[name].fds;
      assert.ok(fds <= GROWTH_FDS, `the ${name}'s descriptors do not grow: ${fds}`);
    }
  },
);
