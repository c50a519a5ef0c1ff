/** The control API: what tests and the demo ask of the simulator itself. */
import fs from 'node:fs';
import { controlHandler } from '../lib/http.js';
import { formatTime, fromSeconds, parseTime } from '../lib/time.js';
import { parseSpeed } from './options.js';

const WAIT_SECONDS = 60;

/** @param {import('./kubesim.js').Kubesim} kubesim */
function stateOf({ simulation, faults }) {
  const { timeline, store, counters } = simulation;
  const resources = {};
  for (const { type, version, floor, objects } of store.collections) {
    if (objects.size > 0 || version > 1) resources[type.plural] = { version, floor, objects: objects.size };
  }
  return {
    time: formatTime(timeline.now, 9),
    timeNs: String(timeline.now),
    speed: timeline.speed,
    started: timeline.started,
    finished: simulation.finished,
    endTime: simulation.endNs === undefined ? null : formatTime(simulation.endNs, 9),
    applied: simulation.applied,
    total: simulation.total,
    resources,
    ...counters.summary,
    befallen: faults.befallen,
    watches: [...counters.watches].map(({ resource, encodingName, sent }) => ({
      resource,
      encoding: encodingName,
      sent,
    })),
  };
}

function timeOf(text) {
  const at = parseTime(text);
  if (at === undefined) throw new Error(`${text} is no time`);
  return at;
}

/** What `until=` means. @returns {() => boolean} */
function parseCondition(text, { simulation }) {
  const { counters, timeline } = simulation;
  const [kind, ...rest] = text.split(':');
  const what = rest[0];
  const count = Number(rest[1] ?? 1);
  switch (kind) {
    case 'finished':
      return () => simulation.finished;
    case 'started':
      return () => timeline.started;
    case 'stopped':
      return () => timeline.stopped;
    case 'watch':
      return () => counters.open(what) >= count;
    case 'requests':
      return () => (counters.requests[what] ?? 0) >= count;
    case 'events':
      return () => (counters.events[what] ?? 0) >= count;
    case 'fault':
      return () => (counters.faults[what] ?? 0) >= count;
    case 'time': {
      const at = timeOf(rest.join(':'));
      return () => timeline.now >= at;
    }
    default:
      throw new Error(`until=${text}: see --help`);
  }
}

function collectionsOf(store, body) {
  return body?.resource ? [store.collection(body.resource)] : store.collections;
}

/** @param {import('./kubesim.js').Kubesim} kubesim @returns a handler for node:http */
export function makeControl(kubesim) {
  const { simulation, faults, access } = kubesim;
  const { timeline, store, counters } = simulation;
  const state = () => stateOf(kubesim);
  return controlHandler({
    'GET /kubesim/state': state,
    'GET /kubesim/wait': async (_body, query) => {
      const timeoutMs = Number(query.get('timeout') ?? WAIT_SECONDS) * 1000;
      const condition = parseCondition(query.get('until') ?? 'finished', kubesim);
      await kubesim.changed.until(condition, timeoutMs);
      return state();
    },
    'GET /kubesim/requests': (_body, query) => {
      const { log } = counters;
      if (query.get('clear') === '1') counters.clear();
      return log;
    },
    'POST /kubesim/start': () => timeline.start(),
    'POST /kubesim/clock': async (body) => {
      if (body.speed !== undefined) timeline.speed = parseSpeed(body.speed);
      if (body.pace !== undefined) simulation.pace.follow(body.pace);
      if (body.stopAt !== undefined) timeline.stopAt = body.stopAt === null ? undefined : timeOf(body.stopAt);
      if (body.hold !== undefined) timeline.isHeld = () => counters.open('pods') < body.hold;
      if (body.advance !== undefined) await timeline.advance(fromSeconds(body.advance));
      return state();
    },
    'GET /kubesim/faults': () => faults.rules,
    'POST /kubesim/faults': (body) => faults.add(body),
    'DELETE /kubesim/faults': (_body, query) => faults.remove(query.has('id') ? Number(query.get('id')) : undefined),
    'POST /kubesim/crash': async (body) => {
      const crash = simulation.kubelet.crash(body);
      await simulation.flush();
      return crash;
    },
    'POST /kubesim/compact': (body) => {
      for (const collection of collectionsOf(store, body)) collection.compact();
      kubesim.api.expirePages();
    },
    'POST /kubesim/bookmark': (body) => {
      for (const collection of collectionsOf(store, body)) collection.bookmark();
    },
    'POST /kubesim/restart': (body) => kubesim.restart(body ?? {}),
    'POST /kubesim/disconnect': (body) => {
      const cut = [...counters.watches].filter(({ resource }) => !body?.resource || resource === body.resource);
      for (const watch of cut) watch.cut();
      return { cut: cut.length };
    },
    'POST /kubesim/tokens': ({ accept, write }) => {
      if (accept) access.tokens = new Set(accept);
      if (write !== undefined) fs.writeFileSync(kubesim.tokenFile, write);
    },
  });
}
