/**
 * What is true of the recorded session (tests/recordings/README.md), and whether an outcome says so. crashes.tsv was worked out
 * from the recording by a script that shares nothing with Nightjar; the logs are the recorded files.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { readCri } from '../lib/cri.js';
import { RECORDING, ROOT } from '../lib/lab.js';

/** The recorded log of an instance, as a person reads it. */
export function recordedLog({ namespace, pod, container, attempt }, recording = RECORDING) {
  const folder = fs.readdirSync(path.join(recording, 'podlogs')).find((name) => name.startsWith(`${namespace}_${pod}_`));
  return readCri(fs.readFileSync(path.join(recording, 'podlogs', folder, container, `${attempt}.log`)));
}

function readCrashes() {
  const [head, ...lines] = fs
    .readFileSync(path.join(ROOT, 'tests', 'integration', 'crashes.tsv'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'));
  return lines.map((cells) => {
    const crash = Object.fromEntries(head.map((name, index) => [name, cells[index]]));
    return { ...crash, attempt: Number(crash.attempt), exitCode: Number(crash.exitCode) };
  });
}

/** The 39, by time. */
export const CRASHES = readCrashes();

const seconds = (time) => new Date(time).toISOString().replace(/\.000Z$/, 'Z');

const comparable = ({ namespace, pod, container, attempt, exitCode, reason, finishedAt, containerId }) => ({
  ...{ namespace, pod, container, attempt, exitCode, reason, containerId },
  finishedAt: seconds(finishedAt),
});

const byId = (a, b) => a.containerId.localeCompare(b.containerId);

/** Each of the 39 once, nothing else, each with its own log. @param {{logs?: boolean}} options */
export function assertCrashes(crashes, { logs = true } = {}) {
  const names = (list) => list.map(({ pod, container, attempt }) => `${pod} ${container} ${attempt}`).sort();
  assert.deepEqual(names(crashes), names(CRASHES));
  assert.deepEqual(crashes.map(comparable).sort(byId), CRASHES.map(comparable).sort(byId));
  if (!logs) return;
  for (const crash of crashes) {
    const text = recordedLog(crash);
    const where = `the log of ${crash.pod} ${crash.container} ${crash.attempt}`;
    assert.equal(crash.log.text, text, where);
    assert.equal(crash.log.lines, text.split('\n').length - 1, where);
  }
}

/** kind, workload, container, state, count */
export const INCIDENTS = [
  ['config_error', 'badconfig', 'c', 'open', 1],
  ['crash', 'crasher', 'c', 'open', 7],
  ['crash', 'fastcrash', 'c', 'resolved', 1],
  ['crash', 'initfail', 'migrate', 'open', 7],
  ['crash', 'job-bad', 'c', 'open', 2],
  ['crash', 'liveness', 'c', 'open', 8],
  ['crash', 'oom', 'c', 'open', 7],
  ['crash', 'sidecar', 'logger', 'open', 7],
  ['image_pull', 'noimage', 'c', 'open', 1],
  ['unschedulable', 'unsched', '', 'open', 1],
];

/** What services and rollouts come to beside them, when the collector was there to see it. Outages that others tell are held back. */
export const SERVICE_INCIDENTS = [
  ['rollout_failed', 'web', '', 'resolved', 1],
  ['service_outage', 'web', '', 'resolved', 1],
];

const OF_SERVICES = new Set(['rollout_failed', 'service_outage']);

/** Of services and rollouts, and told. */
export function assertServiceIncidents(incidents) {
  const found = incidents
    .filter(({ kind, suppressed }) => OF_SERVICES.has(kind) && !suppressed)
    .map(({ kind, workload, container, state, count }) => [kind, workload, container, state, count]);
  assert.deepEqual(found.sort(), SERVICE_INCIDENTS);
  for (const { kind, suppressed } of incidents.filter(({ suppressed }) => suppressed)) {
    assert.equal(kind, 'service_outage');
    assert.match(suppressed, /^rollout failed: incident \d+$/);
  }
}

/** Of pods: the ten. */
export function assertIncidents(all) {
  const incidents = all.filter(({ kind }) => !OF_SERVICES.has(kind));
  const found = incidents.map(({ kind, workload, container, state, count }) => [kind, workload, container, state, count]);
  assert.deepEqual(found.sort(), INCIDENTS);
  for (const { namespace, workload, suppressed } of incidents) {
    assert.equal(namespace, 'shop', workload);
    assert.equal(suppressed || null, null, workload);
  }
}

/** The incident that a message is about, and whether it tells the end. A digest is about none. */
export function subjectOf(text) {
  const [, id] = /#(\d+)\s*$/m.exec(text) ?? [];
  return { id: Number(id), isEnd: /^(\*\*<font[^>]*>)?(【已恢复】|【恢复】|\[Resolved\])/i.test(text) };
}

/** Every incident is told once on each channel, and its end once when it has ended. */
export function assertMessages(messages, incidents, channel = 'robot:robot-1') {
  const told = messages.filter((message) => message.channel === channel && message.msgtype !== 'file');
  const keys = told.map(({ text }) => {
    const { id, isEnd } = subjectOf(text);
    return `#${id} ${isEnd ? 'resolved' : 'opened'}`;
  });
  const shown = incidents.filter(({ suppressed }) => !suppressed);
  const wanted = shown.flatMap(({ id, state }) => [`#${id} opened`, ...(state === 'resolved' ? [`#${id} resolved`] : [])]);
  assert.deepEqual(keys.sort(), wanted.sort());
}

/** Everything at once. @param {import('../lib/lab.js').Lab} lab */
export async function assertSession(lab, { crashes, incidents, messages, lostCrashes }) {
  assertCrashes(crashes);
  assert.equal(lostCrashes, 0);
  assertIncidents(incidents);
  assertMessages(messages, await lab.incidents());
}
