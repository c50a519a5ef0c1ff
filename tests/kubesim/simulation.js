/** The simulated cluster: a store filled from a recording or a generator, and the time in which it changes. */
import path from 'node:path';
import { realNow } from '../lib/time.js';
import { ClockFileWriter } from '../lib/clock-file.js';
import { Churn } from './churn.js';
import { Counters } from './counters.js';
import { makeCluster } from './generate.js';
import { Kubelet } from './kubelet.js';
import { Pace } from './pace.js';
import { PodLogs } from './podlogs.js';
import { scheduleRecordedLogs } from './recorded-logs.js';
import { deriveNamespaces, readRecording } from './recording.js';
import { reorder } from './reorder.js';
import { KubeObject, Store } from './store.js';
import { Timeline } from './timeline.js';

/** A reader that takes nothing for so long holds up the replay no longer. */
const FLUSH_TIMEOUT_MS = 500;

export class Simulation {
  counters = new Counters();
  pace = new Pace();
  #sent = 0; // events, when the programs were last waited for
  applied = 0;
  total = 0;

  /**
   * @param {object} options
   * @param {import('./resources.js').ResourceType[]} options.types
   * @param {string} [options.recording]  folder
   * @param {object} [options.order]      see reorder.js
   * @param {object} [options.generate]   see generate.js
   * @param {object[]} options.namespaces Namespaces that replace the made-up ones, as in JSON
   * @param {string} [options.clockFile]
   * @param {number} options.speed
   * @param {number} options.endSpeed     after the last recorded event
   * @param {string} [options.podLogs]    folder that stands for /var/log/pods
   * @param {boolean} options.keepLogs
   * @param {number} options.history      changes kept for each resource
   * @param {number} options.bookmarkInterval virtual seconds; 0: only the recorded ones
   */
  constructor(options) {
    const startAt = options.clockFile ? undefined : realNow();
    const recorded = options.recording && reorder(readRecording(options.recording, options.types, startAt), options.order);
    const startNs = recorded ? recorded.start : realNow();
    this.clock = options.clockFile ? new ClockFileWriter(options.clockFile, startNs) : undefined;
    this.timeline = new Timeline({ startNs, speed: options.speed, clock: this.clock });
    this.store = new Store(options.types, { historyLimit: options.history });
    this.logs = new PodLogs({ folder: options.podLogs, keepAll: options.keepLogs });
    this.kubelet = new Kubelet(this);
    if (recorded) this.#loadRecording(options, recorded);
    if (options.generate) this.#generate(options.generate);
    this.#loadNamespaces(options.namespaces);
    if (options.bookmarkInterval > 0) this.#bookmarks(BigInt(options.bookmarkInterval) * 1_000_000_000n);
  }

  #loadRecording({ recording, endSpeed }, recorded) {
    for (const { type, objects, version } of recorded.lists) this.store.collection(type).load(objects, version);
    const namespaces = this.store.collection('namespaces');
    if (namespaces.objects.size === 0) {
      namespaces.load(
        deriveNamespaces(recorded).map((json) => new KubeObject(namespaces.type, json)),
        1,
      );
    }
    this.total = recorded.changes.length;
    this.endNs = recorded.changes.at(-1)?.at ?? recorded.start;
    this.endSpeed = endSpeed;
    scheduleRecordedLogs({
      folder: path.join(recording, 'podlogs'),
      recorded,
      timeline: this.timeline,
      logs: this.logs,
    });
    for (const change of recorded.changes) this.timeline.schedule(change.at, () => this.#apply(change));
  }

  async #apply({ type, event, object, version }) {
    const collection = this.store.collection(type);
    if (event === 'BOOKMARK') collection.bookmark(version);
    else collection.apply(event, object);
    this.applied++;
    await this.flush();
    if (this.finished) this.timeline.speed = this.endSpeed;
  }

  #generate(options) {
    const byPlural = new Map();
    for (const { plural, json } of makeCluster(options, this.timeline.now)) {
      if (!byPlural.has(plural)) byPlural.set(plural, []);
      byPlural.get(plural).push(json);
    }
    let version = 1;
    for (const [plural, objects] of byPlural) {
      const collection = this.store.collection(plural);
      const made = objects.map((json) => {
        const metadata = { ...json.metadata, resourceVersion: String(++version) };
        return new KubeObject(collection.type, { ...json, metadata });
      });
      collection.load(made, version);
    }
    for (const { json } of this.store.collection('pods').objects.values()) this.kubelet.started(json);
    const names = [
      ...new Set(
        this.store
          .collection('pods')
          .sorted()
          .map(({ meta }) => meta.namespace),
      ),
    ];
    this.#loadNamespaces(
      names.map((name) => ({
        metadata: { name, uid: `ns-${name}`, labels: { 'kubernetes.io/metadata.name': name } },
        status: { phase: 'Active' },
      })),
    );
    new Churn(options, this).start();
  }

  #loadNamespaces(given) {
    const collection = this.store.collection('namespaces');
    const objects = given.map((json) => {
      const known = collection.objects.get(json.metadata.name)?.meta;
      const metadata = { resourceVersion: '1', ...known, ...json.metadata };
      return new KubeObject(collection.type, { ...json, metadata });
    });
    collection.load(objects, collection.version);
  }

  #bookmarks(interval) {
    const next = () => {
      for (const collection of this.store.collections) collection.bookmark();
      this.timeline.schedule(this.timeline.now + interval, next);
    };
    this.timeline.schedule(this.timeline.now + interval, next);
  }

  /** Everything recorded has happened. */
  get finished() {
    return this.applied === this.total;
  }

  /**
   * Resolves when what was sent to the watches has left this process, and those that are waited for have seen it; where time is
   * to stop, whoever made it stop may want them while they have not.
   */
  flush = async () => {
    await Promise.all([...this.counters.watches].map((watch) => watch.flushed(FLUSH_TIMEOUT_MS)));
    const sent = Object.values(this.counters.events).reduce((sum, count) => sum + count, 0);
    if (sent !== this.#sent && this.timeline.now !== this.timeline.stopAt) await this.pace.wait();
    this.#sent = sent;
  };

  async stop() {
    await this.timeline.stop();
    this.pace.stop();
    this.clock?.close();
  }
}
