/**
 * What the API server holds: objects by resource, and the history that watches resume from. Versions rise across all
 * resources, as etcd's revisions do, but each resource answers for its own newest one, as each watch cache does.
 */
import { withText } from '../lib/protobuf.js';
import { encode, knows } from './proto/codec.js';

const VERSION_PATH = [1, 6]; // ObjectMeta.resourceVersion in any object

/** One version of one object. Never changes; its encodings are made once, when first asked for. */
export class KubeObject {
  #item;
  #proto;

  /**
   * @param {import('./resources.js').ResourceType} type
   * @param {object} json with or without kind and apiVersion
   * @param {Buffer} [proto] its protobuf without envelope, when it was recorded
   */
  constructor(type, { kind: _kind, apiVersion: _apiVersion, ...json }, proto) {
    this.type = type;
    this.json = json;
    this.#proto = proto;
  }

  get meta() {
    return this.json.metadata;
  }

  get key() {
    return this.meta.namespace ? `${this.meta.namespace}/${this.meta.name}` : this.meta.name;
  }

  get version() {
    return Number(this.meta.resourceVersion);
  }

  /** JSON without kind and apiVersion, as in a list's items. @returns {Buffer} */
  get item() {
    this.#item ??= Buffer.from(JSON.stringify(this.json));
    return this.#item;
  }

  /** Whether it can be had as protobuf: custom resources can not. */
  get hasProto() {
    return this.#proto !== undefined || (knows(this.type.kind) && !this.type.custom);
  }

  /** Protobuf without envelope. @returns {Buffer} */
  get proto() {
    this.#proto ??= encode(this.type.kind, this.json);
    return this.#proto;
  }

  /** The same object under another version. @param {number} version */
  atVersion(version) {
    if (version === this.version) return this;
    const metadata = { ...this.meta, resourceVersion: String(version) };
    const proto = this.#proto && withText(this.#proto, VERSION_PATH, String(version));
    return new KubeObject(this.type, { ...this.json, metadata }, proto);
  }
}

/**
 * @typedef {object} Change
 * @property {'ADDED' | 'MODIFIED' | 'DELETED'} type
 * @property {KubeObject} object
 * @property {KubeObject} [previous] the version before, for selectors
 * @property {number} version
 */

/** One resource: its objects, its history, those who watch it. */
export class Collection {
  /** @type {Map<string, KubeObject>} */
  objects = new Map();
  /** @type {Change[]} */
  #history = [];
  #limit;
  #watchers = new Set();

  constructor(type, historyLimit) {
    this.type = type;
    this.#limit = historyLimit;
    this.version = 1; // the newest that it has seen
    this.floor = 1; // watches from a version below are too old
  }

  /** The objects of a first list. @param {KubeObject[]} objects */
  load(objects, version) {
    for (const object of objects) this.objects.set(object.key, object);
    this.version = Math.max(this.version, version);
    this.floor = this.version;
  }

  /** Applies one change and tells the watchers. A version that is not newer than the last is raised. */
  apply(type, given) {
    const version = Math.max(given.version || 0, this.version + 1);
    const object = given.atVersion(version);
    const previous = this.objects.get(object.key);
    if (type === 'DELETED') this.objects.delete(object.key);
    else this.objects.set(object.key, object);
    const change = { type, object, previous, version };
    this.version = version;
    this.#history.push(change);
    if (this.#history.length > this.#limit) this.#forget(this.#history.length - this.#limit);
    for (const watcher of [...this.#watchers]) watcher.onChange(change);
    return object;
  }

  /** Time has passed without a change: the version rises, and who wants bookmarks is told. */
  bookmark(version = this.version) {
    this.version = Math.max(this.version, version);
    for (const watcher of [...this.#watchers]) watcher.onBookmark(this.version);
  }

  #forget(count) {
    const gone = this.#history.splice(0, count);
    this.floor = gone.at(-1).version;
  }

  /** Forgets its whole history: every earlier version is too old from now on. */
  compact() {
    this.#history = [];
    this.floor = this.version;
  }

  /** The changes after `version`; undefined when some of them are forgotten. @returns {Change[] | undefined} */
  since(version) {
    if (version < this.floor) return undefined;
    let low = 0;
    let high = this.#history.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#history[middle].version > version) high = middle;
      else low = middle + 1;
    }
    return this.#history.slice(low);
  }

  /** The objects in the order of their keys, as etcd has them. @returns {KubeObject[]} */
  sorted() {
    return [...this.objects.values()].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  }

  watch(watcher) {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  get watchers() {
    return [...this.#watchers];
  }
}

/** All resources. */
export class Store {
  /** @type {Map<import('./resources.js').ResourceType, Collection>} */
  #collections = new Map();

  constructor(types, { historyLimit = 100_000 } = {}) {
    this.types = types;
    for (const type of types) this.#collections.set(type, new Collection(type, historyLimit));
  }

  /** @param {string | import('./resources.js').ResourceType} type or its plural @returns {Collection} */
  collection(type) {
    const found = typeof type === 'string' ? this.types.find(({ plural }) => plural === type) : type;
    const collection = this.#collections.get(found);
    if (!collection) throw new Error(`no resource ${type}`);
    return collection;
  }

  get collections() {
    return [...this.#collections.values()];
  }

  /** A version that nothing has had. */
  nextVersion() {
    return Math.max(...this.collections.map(({ version }) => version)) + 1;
  }

  /** Applies a change of now: it gets a new version. @param {object} json */
  write(changeType, type, json) {
    const collection = this.collection(type);
    const metadata = { ...json.metadata, resourceVersion: String(this.nextVersion()) };
    return collection.apply(changeType, new KubeObject(collection.type, { ...json, metadata }));
  }
}
