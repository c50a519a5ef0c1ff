/** The disk is full in the middle of the session: /readyz says so, and once there is room nothing is lost or told twice. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ask, RECORDING } from '../lib/lab.js';
import { labTest } from '../lib/lab-test.js';
import { outcome } from '../lib/outcome.js';
import { run } from '../lib/process.js';
import { metricSum } from '../lib/prometheus.js';
import { until } from '../lib/wait.js';
import { assertSession } from './expected.js';

const SPEED = 40;
const MIB = 1024 * 1024;

/** A small file system of its own. */
class Disk {
  static async mount(t, mib) {
    const disk = new Disk();
    disk.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nightjar-disk-'));
    const { code, stderr } = await run('mount', ['-t', 'tmpfs', '-o', `size=${mib}m`, 'nightjar-test', disk.folder]);
    if (code !== 0) {
      fs.rmdirSync(disk.folder);
      t.skip(`no file system can be mounted here: ${stderr.trim()}`);
      return undefined;
    }
    t.after(async () => {
      await run('umount', ['-l', disk.folder]); // lazily: what is to be looked at after a failure may still be open
      fs.rmdirSync(disk.folder);
    });
    return disk;
  }

  path(name) {
    return path.join(this.folder, name);
  }

  /** Not a byte is left. */
  fill() {
    const fd = fs.openSync(this.path('filler'), 'a');
    try {
      for (let size = MIB; size >= 1; size = Math.floor(size / 2)) {
        try {
          while (fs.writeSync(fd, Buffer.alloc(size)) === size);
        } catch (error) {
          if (error.code !== 'ENOSPC') throw error;
        }
      }
    } finally {
      fs.closeSync(fd);
    }
  }

  clear() {
    fs.rmSync(this.path('filler'));
  }
}

const readyz = async (url) => ask(`${url}/readyz`);

/** Waits until it is not ready, and says why in words that help. */
async function notReady(url, program, part) {
  await until(async () => (await readyz(url)).status !== 200, {
    what: `${program.name} is not ready`,
    programs: [program],
  });
  const { status, text } = await readyz(url);
  assert.equal(status, 503);
  assert.match(text, new RegExp(`^\\[-\\]${part} failed: .*(full|space)`, 'm'), text);
  assert.equal((await ask(`${url}/livez`)).status, 200, 'it lives: to restart it would not help');
}

const setSpeed = (lab, speed) => lab.control('clock', { speed });

/** Starts it where there is no room: it ends, as the kubelet would see it, or does without. */
async function restartWhileFull(t, program, start, url) {
  await program.kill();
  start();
  const lives = () => ask(`${url}/livez`).then(
    ({ status }) => status === 200,
    () => false,
  );
  await until(async () => !program.isRunning || (await lives()), { what: `${program.name} ends or lives` });
  const state = program.exit;
  if (state) assert.match(program.logTail(5), /full|space/, 'it says why it ends');
  t.diagnostic(`${program.name} on a full disk: ${state ? `ends with ${state.code}` : 'runs'}`);
  return state;
}

/** For what comes all at once: no message has to wait for the next minute. */
const collector = (lab) => ({
  notify: {
    channels: [{ name: 'wecom', type: 'wecom_robot', url_file: lab.robotFile(), rate_per_minute: 1000 }],
  },
});
const options = { recording: RECORDING, speed: SPEED, wecomsim: ['--rate', '1000'] };

let outboxDisk;
labTest(
  "the agent's disk",
  { ...options, collector, agent: () => ({ outbox: { path: outboxDisk.path('outbox.db') } }) },
  async (lab, t) => {
    outboxDisk = await Disk.mount(t, 8);
    if (!outboxDisk) return;
    await lab.startAll();
    await lab.control('clock', { hold: 2 }); // while the agent is away, time stands still
    await lab.run();

    await lab.waitCluster('time:2026-11-21T09:13:50Z');
    outboxDisk.fill();
    await notReady(lab.agentUrl(), lab.agent, 'outbox');
    await lab.waitCluster('time:2026-11-21T09:15:10Z');
    assert.ok(metricSum(await lab.agentMetrics(), 'nightjar_agent_findings_waiting') > 0, 'findings wait');
    outboxDisk.clear();
    await lab.agentReady();

    await lab.waitCluster('time:2026-11-21T09:15:50Z');
    outboxDisk.fill();
    await notReady(lab.agentUrl(), lab.agent, 'outbox');
    await setSpeed(lab, 0);
    const ended = await restartWhileFull(t, lab.agent, () => lab.startAgent(), lab.agentUrl());
    outboxDisk.clear();
    if (ended) lab.startAgent();
    await setSpeed(lab, 1); // it tries again in the same time, which must not stand still now
    await lab.agentReady();
    await setSpeed(lab, SPEED);

    await lab.finish();
    await assertSession(lab, await outcome(lab));
  },
);

let storeDisk;
labTest(
  "the collector's disk",
  { ...options, collector: (lab) => ({ ...collector(lab), store: { path: storeDisk.path('collector.db') } }) },
  async (lab, t) => {
    storeDisk = await Disk.mount(t, 16);
    if (!storeDisk) return;
    await lab.startAll();
    await lab.run();

    await lab.waitCluster('time:2026-11-21T09:13:50Z');
    storeDisk.fill();
    await notReady(lab.apiUrl, lab.collector, 'store');
    await lab.waitCluster('time:2026-11-21T09:15:10Z');
    const known = await lab.crashes();
    assert.ok(known.length > 0, 'what is stored can still be read');
    assert.ok(metricSum(await lab.agentMetrics(), 'nightjar_outbox_events') > 0, 'the agent keeps what is not stored');
    storeDisk.clear();
    await lab.collectorReady();

    await lab.waitCluster('time:2026-11-21T09:15:50Z');
    storeDisk.fill();
    await notReady(lab.apiUrl, lab.collector, 'store');
    const ended = await restartWhileFull(t, lab.collector, () => lab.startCollector(), lab.apiUrl);
    storeDisk.clear();
    if (ended) lab.startCollector();
    await lab.collectorReady();

    await lab.finish();
    await assertSession(lab, await outcome(lab));
  },
);
