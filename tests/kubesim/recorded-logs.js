/**
 * Plays the recorded container logs: each file appears when its instance starts, each line at its own time, and what was
 * found rotated (N.log.YYYYMMDD-HHMMSS, with or without .gz) is put aside before the line after it.
 */
import fs from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parseTime, shiftTime } from '../lib/time.js';
import { instancesOf } from './containers.js';

/** Statuses tell whole seconds; an instance started before the end of that second. */
const WITHIN_SECOND_NS = 999_000_000n;
/** The kubelet's garbage collection takes a deleted pod's logs away some time later. */
const POD_LOGS_KEPT_NS = 30_000_000_000n;

/** When each instance started, from the pods' statuses. @returns {Map<string, bigint>} "uid/container/attempt" */
function startTimes({ lists, changes }) {
  const pods = [...lists.flatMap((list) => list.objects), ...changes.flatMap(({ object }) => object ?? [])];
  const starts = new Map();
  for (const { type, json } of pods) {
    if (type.plural !== 'pods') continue;
    for (const { container, attempt, startedAt } of instancesOf(json)) {
      if (startedAt) starts.set(`${json.metadata.uid}/${container}/${attempt}`, parseTime(startedAt));
    }
  }
  return starts;
}

const earliest = (times) =>
  times
    .filter((ns) => ns !== undefined)
    .reduce((least, ns) => (least === undefined || ns < least ? ns : least), undefined);

const LOG_FILE = /^(\d+)\.log(?:\.\d{8}-\d{6}(?:\.gz)?)?$/;

function readLog(file) {
  const bytes = fs.readFileSync(file);
  return (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('latin1');
}

/** The files of each instance, the oldest first. @returns {Map<number, string[]>} by attempt */
function instanceFiles(folder) {
  const files = new Map();
  // The names of rotated files sort by their time, and the file that is written to now comes last.
  const age = (name) => (name.endsWith('.log') ? '~' : name);
  const names = fs.readdirSync(folder).sort((a, b) => (age(a) < age(b) ? -1 : 1));
  for (const name of names) {
    const [, attempt] = LOG_FILE.exec(name) ?? [];
    if (attempt === undefined) continue;
    if (!files.has(Number(attempt))) files.set(Number(attempt), []);
    files.get(Number(attempt)).push(name);
  }
  return files;
}

/** @returns {Generator<{pod: object, container: string, attempt: number, segments: {name: string, text: string}[]}>} */
function* logFiles(folder) {
  if (!fs.existsSync(folder)) return;
  for (const podFolder of fs.readdirSync(folder).sort()) {
    const [namespace, name, uid] = podFolder.split('_');
    for (const container of fs.readdirSync(path.join(folder, podFolder)).sort()) {
      const where = path.join(folder, podFolder, container);
      for (const [attempt, names] of instanceFiles(where)) {
        const segments = names.map((one) => ({ name: one, text: readLog(path.join(where, one)) }));
        yield { pod: { namespace, name, uid }, container, attempt, segments };
      }
    }
  }
}

/** The lines of an instance's files with their times, and where a file was put aside. */
function* pieces(segments, shift) {
  let at;
  for (const { name, text } of segments) {
    for (const line of text.split(/(?<=\n)/).filter(Boolean)) {
      const [time] = line.split(' ', 1);
      const ns = parseTime(time);
      if (ns !== undefined) at = ns + shift;
      const moved = shift !== 0n && ns !== undefined ? shiftTime(time, shift) + line.slice(time.length) : line;
      yield { at, line: moved };
    }
    if (!name.endsWith('.log')) yield { at, aside: name };
  }
}

/**
 * @param {object} options
 * @param {string} options.folder  the recording's podlogs
 * @param {import('./recording.js').Recorded} options.recorded
 * @param {import('./timeline.js').Timeline} options.timeline
 * @param {import('./podlogs.js').PodLogs} options.logs
 */
export function scheduleRecordedLogs({ folder, recorded, timeline, logs }) {
  const starts = startTimes(recorded);
  const { shift } = recorded;
  const instances = [...logFiles(folder)].sort((a, b) => a.attempt - b.attempt);
  for (const { pod, container, attempt, segments } of instances) {
    const parts = [...pieces(segments, shift)];
    const started = starts.get(`${pod.uid}/${container}/${attempt}`);
    const first =
      earliest([
        parts.find((part) => part.at !== undefined)?.at,
        started === undefined ? undefined : started + WITHIN_SECOND_NS,
      ]) ?? recorded.start;
    timeline.schedule(first, () => logs.create(pod, container, attempt));
    for (const { at = first, line, aside } of parts) {
      timeline.schedule(at, () => {
        if (aside) logs.rotate(pod.uid, container, attempt, aside);
        else logs.append(pod.uid, container, attempt, line);
      });
    }
  }
  for (const { at, type, event, object } of recorded.changes) {
    if (type.plural === 'pods' && event === 'DELETED') {
      timeline.schedule(at + POD_LOGS_KEPT_NS, () => logs.removePod(object.meta.uid));
    }
  }
}
