/** Change without end in a generated cluster: status updates, pods replaced, crashes. */
import { formatTime, fromSeconds } from '../lib/time.js';
import { makePod, seededRandom } from './generate.js';

/** One change in so many replaces a pod; the others touch its status. */
const REPLACES_EVERY = 10;

export class Churn {
  #options;
  #simulation;
  #random;
  #pods = []; // {key, index, generation}

  /**
   * @param {import('./generate.js').GENERATE_DEFAULTS} options
   * @param {{store: object, timeline: object, kubelet: object, logs: object}} simulation
   */
  constructor(options, simulation) {
    this.#options = options;
    this.#simulation = simulation;
    this.#random = seededRandom(options.seed);
    const keys = [...simulation.store.collection('pods').objects.keys()];
    this.#pods = keys.map((key, index) => ({ key, index, generation: 0 }));
  }

  start() {
    this.#repeat(this.#options.churn, () => this.#change());
    this.#repeat(this.#options.crashes, () => this.#crash());
  }

  #repeat(perSecond, run) {
    if (perSecond <= 0 || this.#pods.length === 0) return;
    const { timeline, flush } = this.#simulation;
    const step = fromSeconds(1 / perSecond);
    const next = async () => {
      timeline.schedule(timeline.now + step, next);
      run();
      await flush();
    };
    timeline.schedule(timeline.now + step, next);
  }

  #pick() {
    return this.#pods[Math.floor(this.#random() * this.#pods.length)];
  }

  #change() {
    const { store, timeline, kubelet, logs } = this.#simulation;
    const slot = this.#pick();
    const { json } = store.collection('pods').objects.get(slot.key);
    const time = formatTime(timeline.now);
    if (this.#random() * REPLACES_EVERY >= 1) {
      const conditions = json.status.conditions.map((condition) => ({ ...condition, lastTransitionTime: time }));
      store.write('MODIFIED', 'pods', { ...json, status: { ...json.status, conditions } });
      return;
    }
    store.write('DELETED', 'pods', json);
    logs.removePod(json.metadata.uid);
    slot.generation++;
    const pod = makePod(this.#options, slot.index, time, slot.generation);
    slot.key = `${pod.metadata.namespace}/${pod.metadata.name}`;
    store.write('ADDED', 'pods', pod);
    kubelet.started(pod);
  }

  #crash() {
    const [namespace, pod] = this.#pick().key.split('/');
    try {
      this.#simulation.kubelet.crash({ namespace, pod, exitCode: 1 + Math.floor(this.#random() * 100) });
    } catch {
      // the pod that was picked is between crash and restart
    }
  }
}
