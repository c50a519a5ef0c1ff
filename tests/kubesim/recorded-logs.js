/** Plays the recorded container logs: each file appears when its instance starts, each line at its own time. */
import fs from 'node:fs';
import path from 'node:path';
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

function* logFiles(folder) {
  if (!fs.existsSync(folder)) return;
  for (const podFolder of fs.readdirSync(folder).sort()) {
    const [namespace, name, uid] = podFolder.split('_');
    for (const container of fs.readdirSync(path.join(folder, podFolder)).sort()) {
      const files = fs.readdirSync(path.join(folder, podFolder, container));
      for (const file of files.filter((one) => /^\d+\.log$/.test(one))) {
        const text = fs.readFileSync(path.join(folder, podFolder, container, file), 'latin1');
        yield { pod: { namespace, name, uid }, container, attempt: parseInt(file, 10), text };
      }
    }
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
  const files = [...logFiles(folder)].sort((a, b) => a.attempt - b.attempt);
  for (const { pod, container, attempt, text } of files) {
    let at;
    const lines = text.split(/(?<=\n)/).map((line) => {
      const [time] = line.split(' ', 1);
      const ns = parseTime(time);
      if (ns !== undefined) at = ns + shift;
      const moved = shift !== 0n && ns !== undefined ? shiftTime(time, shift) + line.slice(time.length) : line;
      return { at, line: moved };
    });
    const started = starts.get(`${pod.uid}/${container}/${attempt}`);
    const first =
      earliest([
        lines.find((line) => line.at !== undefined)?.at,
        started === undefined ? undefined : started + WITHIN_SECOND_NS,
      ]) ?? recorded.start;
    timeline.schedule(first, () => logs.create(pod, container, attempt));
    for (const line of lines) {
      if (line.line) timeline.schedule(line.at ?? first, () => logs.append(pod.uid, container, attempt, line.line));
    }
  }
  for (const { at, type, event, object } of recorded.changes) {
    if (type.plural === 'pods' && event === 'DELETED') {
      timeline.schedule(at + POD_LOGS_KEPT_NS, () => logs.removePod(object.meta.uid));
    }
  }
}
