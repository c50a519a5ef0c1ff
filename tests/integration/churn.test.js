/**
 * A cluster that never rests: pods come, go, change and crash. Memory and descriptors of both programs stay flat after a while.
 * The release binaries, since a sanitizer keeps freed memory. NIGHTJAR_LONG=1: an hour.
 */
// long
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { isLong, labTest } from '../lib/lab-test.js';
import { pause, until } from '../lib/wait.js';

const RELEASE = process.env.NIGHTJAR_RELEASE;
const SECONDS = isLong ? 3600 : 75;
const LOOK_MS = 500;

/** What a process may have more at the end than when it had warmed up, beside noise. */
const RSS_ROOM_KB = 2048;
const FD_ROOM = 4;

function look({ pid }) {
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  return { rssKb: Number(/VmRSS:\s+(\d+)/.exec(status)[1]), fds: fs.readdirSync(`/proc/${pid}/fd`).length };
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];

/** Medians of thirds of what was looked at: the first is warming up. */
function thirds(looks, key) {
  const size = Math.floor(looks.length / 3);
  return [0, 1, 2].map((third) => median(looks.slice(third * size, (third + 1) * size).map((one) => one[key])));
}

function assertFlat(t, name, looks) {
  const [rssFirst, rssSecond, rssThird] = thirds(looks, 'rssKb');
  const [, fdsSecond, fdsThird] = thirds(looks, 'fds');
  t.diagnostic(`${name}: RSS ${rssFirst}, ${rssSecond}, ${rssThird} KiB; ${fdsThird} descriptors`);
  assert.ok(rssThird - rssSecond <= RSS_ROOM_KB, `${name} grew from ${rssSecond} to ${rssThird} KiB`);
  assert.ok(fdsThird - fdsSecond <= FD_ROOM, `${name} went from ${fdsSecond} to ${fdsThird} descriptors`);
}

labTest(
  `${SECONDS} s of churn: memory and descriptors stay flat`,
  {
    generate: 'pods=110,nodes=1,replicas=5,churn=6,crashes=0.5',
    speed: 20,
    build: RELEASE,
    timeoutMs: (SECONDS + 300) * 1000,
    wecomsim: ['--rate', '100000'],
    collector: (lab) => ({
      store: { crashes: '1h', logs: '1h', incidents: '1h' },
      notify: {
        channels: [{ name: 'hook', type: 'webhook', url_file: lab.path('hook-url'), rate_per_minute: 100000 }],
        routes: [{ group: 'oncall', channels: ['hook'] }],
      },
    }),
  },
  async (lab, t) => {
    await lab.startAll();
    await lab.run();
    const agent = [];
    const collector = [];
    const end = performance.now() + SECONDS * 1000;
    while (performance.now() < end) {
      agent.push(look(lab.agent));
      collector.push(look(lab.collector));
      await pause(LOOK_MS);
      if (agent.length % 10 === 0) await lab.control('disconnect', {}); // and watches break all the time
    }
    await lab.control('clock', { speed: 0 });
    await until(async () => (await lab.openNotifications()).length === 0, { what: 'everybody is told' });
    const { events } = await lab.control('state');
    const crashes = await lab.crashes();
    t.diagnostic(`${events.pods} events of pods, ${crashes.length} crashes`);
    assert.ok(crashes.length > SECONDS);
    assertFlat(t, 'agent', agent);
    assertFlat(t, 'collector', collector);
  },
);
