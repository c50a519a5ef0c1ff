/**
 * The same session as another cluster would have told it: each watch is in order, but no watch waits for another; and an
 * EndpointSlice may as well have been two, between which endpoints move.
 */
import { createHash } from 'node:crypto';
import { fromSeconds } from '../lib/time.js';
import { seededRandom } from './generate.js';
import { KubeObject } from './store.js';

/** Slices of one Service are written one after the other. */
const BETWEEN_SLICES_S = 0.01;
/** Of the changes of a split slice, so many move an endpoint into the other half. */
const MOVES = 0.15;

/** "deployments=2", "endpointslices=0..0.03": seconds. @returns {{resource: string, least: number, most: number}} */
export function parseLag(text) {
  const match = /^([a-z*]+)=(\d+(?:\.\d+)?)(?:\.\.(\d+(?:\.\d+)?))?$/.exec(text);
  if (!match) throw new Error(`--lag ${text}: RESOURCE=SECONDS or RESOURCE=SECONDS..SECONDS is wanted`);
  return { resource: match[1], least: Number(match[2]), most: Number(match[3] ?? match[2]) };
}

/** Each change later by what its resource lags, and none before the one before it in its watch. */
function delayed(changes, lags, random) {
  const latest = new Map();
  return changes.map((change) => {
    const { plural } = change.type;
    const lag = lags.findLast(({ resource }) => resource === plural || resource === '*');
    const wanted = change.at + fromSeconds(lag ? lag.least + random() * (lag.most - lag.least) : 0);
    const before = latest.get(plural) ?? wanted;
    const at = wanted > before ? wanted : before;
    latest.set(plural, at);
    return { ...change, at };
  });
}

/** One recorded slice as two. */
class SplitSlice {
  #random;
  #other;
  #homes = new Map();
  #shown = [undefined, undefined]; // JSON of each half
  #generations = [0, 0];

  constructor({ meta }, random) {
    this.#random = random;
    const hex = createHash('sha256').update(meta.uid).digest('hex');
    this.#other = { name: `${meta.name.slice(0, -1)}-2`, uid: `${meta.uid.slice(0, -12)}${hex.slice(0, 12)}` };
  }

  #half(json, half, endpoints) {
    const { name, uid } = half === 0 ? json.metadata : this.#other;
    return { ...json, metadata: { ...json.metadata, name, uid, generation: this.#generations[half] }, endpoints };
  }

  #home({ targetRef, addresses }) {
    const key = targetRef?.uid ?? addresses[0];
    if (!this.#homes.has(key)) this.#homes.set(key, this.#random() < 0.5 ? 0 : 1);
    return { key, half: this.#homes.get(key) };
  }

  /** The halves that differ from what was shown of them. @returns {object[]} what happens to each: {event, json} */
  #show(json, inBoth) {
    const steps = [];
    const first = this.#random() < 0.5 ? 0 : 1;
    for (const half of [first, 1 - first]) {
      const endpoints = (json.endpoints ?? []).filter((one) => this.#home(one).half === half || this.#home(one).key === inBoth);
      const content = JSON.stringify(endpoints);
      if (content === this.#shown[half]) continue;
      const event = this.#shown[half] === undefined ? 'ADDED' : 'MODIFIED';
      this.#shown[half] = content;
      this.#generations[half]++;
      steps.push({ event, json: this.#half(json, half, endpoints) });
    }
    return steps;
  }

  /** @returns {{event: string, json: object}[]} in their order */
  change(event, json) {
    if (event === 'DELETED') return [0, 1].map((half) => ({ event, json: this.#half(json, half, json.endpoints) }));
    const endpoints = json.endpoints ?? [];
    if (endpoints.length === 0 || this.#random() > MOVES) return this.#show(json);
    // It is in the other half before it is gone from this one.
    const { key, half } = this.#home(endpoints[Math.floor(this.#random() * endpoints.length)]);
    const before = this.#show(json, key);
    this.#homes.set(key, 1 - half);
    return [...before, ...this.#show(json)];
  }
}

function split(recorded, random) {
  const slices = new Map();
  const halves = (event, object) => {
    const { key, type } = object;
    if (!slices.has(key)) slices.set(key, new SplitSlice(object, random));
    return slices.get(key).change(event, object.json).map((step) => ({ event: step.event, object: new KubeObject(type, step.json) }));
  };
  const isSlice = ({ type }) => type.plural === 'endpointslices';
  return {
    ...recorded,
    lists: recorded.lists.map((list) =>
      isSlice(list) ? { ...list, objects: list.objects.flatMap((object) => halves('ADDED', object).map((half) => half.object)) } : list,
    ),
    changes: recorded.changes.flatMap((change) =>
      isSlice(change) && change.object
        ? halves(change.event, change.object).map((half, index) => ({ ...change, ...half, at: change.at + fromSeconds(index * random() * BETWEEN_SLICES_S) }))
        : [change],
    ),
  };
}

/**
 * @param {import('./recording.js').Recorded} recorded
 * @param {{lags: ReturnType<typeof parseLag>[], splitSlices: boolean, seed: number}} options
 * @returns {import('./recording.js').Recorded}
 */
export function reorder(recorded, { lags, splitSlices, seed }) {
  const random = seededRandom(seed);
  const told = splitSlices ? split(recorded, random) : recorded;
  const changes = delayed(told.changes, lags, random).sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  return { ...told, changes };
}
