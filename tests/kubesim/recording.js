/** Reads a recorded session (tests/recordings/README.md): first lists, changes with their times, both encodings. */
import fs from 'node:fs';
import path from 'node:path';
import { fields, textAt } from '../lib/protobuf.js';
import { parseTime, shiftTime } from '../lib/time.js';
import { openEnvelope, openWatchEvent } from './proto/codec.js';
import { KubeObject } from './store.js';

/** Virtual time from the start to the first event. */
const LEAD_NS = 500_000_000n;

const readText = (file) => (fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '');
const readLines = (file) =>
  readText(file)
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));

/** One version of one object; a bookmark has no uid. */
const identity = (uid, version) => `${uid ?? ''}/${version}`;

/** The protobuf of every recorded version of a kind's objects. @returns {Map<string, Buffer>} */
function readProtos(folder) {
  const protos = new Map();
  const add = (raw) => protos.set(identity(textAt(raw, [1, 5]), textAt(raw, [1, 6])), raw);
  const list = path.join(folder, 'list.pb');
  if (fs.existsSync(list)) {
    const { raw } = openEnvelope(fs.readFileSync(list));
    for (const { number, value } of fields(raw)) if (number === 2) add(value);
  }
  for (const { frame } of readLines(path.join(folder, 'watch-pb.ndjson'))) {
    const { type, raw } = openWatchEvent(Buffer.from(frame, 'base64'));
    if (type !== 'BOOKMARK') add(raw);
  }
  return protos;
}

/** Every time in a JSON value moved by `shift`. */
function shifted(value, shift) {
  if (typeof value === 'string') return shiftTime(value, shift);
  if (Array.isArray(value)) return value.map((item) => shifted(item, shift));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shifted(item, shift)]));
}

/** The type of a recorded folder; one that is not built in is made from its list. */
function typeOf(types, plural, list) {
  const known = types.find((type) => type.plural === plural);
  if (known) return known;
  const [version, group = ''] = list.apiVersion.split('/').reverse();
  const type = {
    group,
    version,
    plural,
    kind: list.kind.replace(/List$/, ''),
    namespaced: list.items.some((item) => item.metadata.namespace),
    apiVersion: list.apiVersion,
    prefix: group ? `/apis/${list.apiVersion}` : `/api/${version}`,
    fields: ['metadata.name', 'metadata.namespace'],
    custom: true,
  };
  types.push(type);
  return type;
}

/**
 * @typedef {object} Recorded
 * @property {{type: object, objects: KubeObject[], version: number}[]} lists
 * @property {{at: bigint, type: object, event: string, object?: KubeObject, version: number}[]} changes in time's order
 * @property {bigint} start   a moment before the first event
 * @property {bigint} shift   what was added to every time
 */

/**
 * @param {string} folder
 * @param {import('./resources.js').ResourceType[]} types gets those that are new
 * @param {bigint} [startAt] moves all times so that it starts then
 * @returns {Recorded}
 */
export function readRecording(folder, types, startAt) {
  const kinds = fs
    .readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && fs.existsSync(path.join(folder, entry.name, 'list.json')))
    .map((entry) => readKind(path.join(folder, entry.name), entry.name, types));
  if (kinds.length === 0) throw new Error(`${folder}: no KIND/list.json in it`);
  const times = kinds.flatMap(({ changes }) => changes.map(({ at }) => at));
  const first = times.reduce((least, at) => (at < least ? at : least), times[0] ?? 0n);
  const start = first - LEAD_NS;
  const shift = startAt === undefined ? 0n : startAt - start;
  const make = (type, json, protos) =>
    shift === 0n
      ? new KubeObject(type, json, protos.get(identity(json.metadata.uid, json.metadata.resourceVersion)))
      : new KubeObject(type, shifted(json, shift));
  const lists = kinds.map(({ type, list, protos }) => ({
    type,
    objects: list.items.map((json) => make(type, json, protos)),
    version: Number(list.metadata.resourceVersion),
  }));
  const changes = kinds
    .flatMap(({ type, changes: own, protos }) =>
      own.map(({ at, event, json }) => ({
        at: at + shift,
        type,
        event,
        object: event === 'BOOKMARK' ? undefined : make(type, json, protos),
        version: Number(json.metadata.resourceVersion),
      })),
    )
    .sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  return { lists, changes, start: start + shift, shift };
}

function readKind(folder, plural, types) {
  const list = JSON.parse(readText(path.join(folder, 'list.json')));
  const changes = readLines(path.join(folder, 'watch.ndjson')).map(({ at, event }) => ({
    at: parseTime(at),
    event: event.type,
    json: event.object,
  }));
  return { type: typeOf(types, plural, list), list, changes, protos: readProtos(folder) };
}

/** The namespaces that the recorded objects are in, which nobody recorded. @returns {object[]} as JSON */
export function deriveNamespaces({ lists, changes, start }) {
  const objects = [...lists.flatMap((list) => list.objects), ...changes.flatMap(({ object }) => object ?? [])];
  const names = [...new Set(objects.map(({ meta }) => meta.namespace).filter(Boolean))].sort();
  const creationTimestamp = new Date(Number(start / 1_000_000n)).toISOString().replace(/\.\d+Z$/, 'Z');
  return names.map((name, index) => ({
    metadata: {
      name,
      uid: `00000000-0000-4000-8000-${String(index + 1).padStart(12, '0')}`,
      resourceVersion: String(index + 1),
      creationTimestamp,
      labels: { 'kubernetes.io/metadata.name': name },
    },
    spec: { finalizers: ['kubernetes'] },
    status: { phase: 'Active' },
  }));
}
