/** Crashes made on demand: what the kubelet would do to a pod's status and to its logs. */
import { randomBytes } from 'node:crypto';
import { formatTime, fromSeconds } from '../lib/time.js';
import { statusesOf } from './containers.js';

/** The kubelet looks for changes once a second; a crashed container is restarted at the next look at the earliest. */
const RESTART_AFTER_S = 1;
const STARTED_BEFORE_S = 5;

export const newContainerId = () => `containerd://${randomBytes(32).toString('hex')}`;

/** @param {string} text without newline */
export const criLine = (ns, text, { stream = 'stdout', tag = 'F' } = {}) =>
  `${formatTime(ns, 9)} ${stream} ${tag} ${Buffer.from(text).toString('latin1')}\n`;

/**
 * @typedef {object} CrashOptions
 * @property {string} [namespace]  any when left out
 * @property {string} [pod]        a running one when left out
 * @property {string} [container]  the first when left out
 * @property {number} [exitCode]   1
 * @property {string} [reason]     Error
 * @property {string} [message]    the termination message
 * @property {string[]} [lines]    its last words, on stderr
 * @property {number | null} [restartAfter] virtual seconds until it runs again; 0: in the same change of status, null: it
 *   stays in CrashLoopBackOff
 */

export class Kubelet {
  #store;
  #logs;
  #timeline;

  constructor({ store, logs, timeline }) {
    this.#store = store;
    this.#logs = logs;
    this.#timeline = timeline;
  }

  /** A pod's containers have begun to run: their log files are there. @param {object} pod as in JSON */
  started(pod) {
    for (const { name, restartCount, state } of statusesOf(pod)) {
      if (state?.running) this.#logs.create(pod.metadata, name, restartCount);
    }
  }

  #pick({ namespace, pod }) {
    const { objects } = this.#store.collection('pods');
    for (const object of objects.values()) {
      const fits = (!namespace || object.meta.namespace === namespace) && (!pod || object.meta.name === pod);
      if (fits && (object.json.status?.containerStatuses ?? []).some(({ state }) => state?.running)) return object;
    }
    throw new Error(`no pod ${namespace ?? '*'}/${pod ?? '*'} with a running container`);
  }

  /** Changes one container's status. @returns {object} the pod as it is then */
  #update(key, container, change) {
    const object = this.#store.collection('pods').objects.get(key);
    if (!object) return undefined; // deleted in the meantime
    const pod = structuredClone(object.json);
    const status = statusesOf(pod).find(({ name }) => name === container);
    if (!status) throw new Error(`${key} has no container ${container}`);
    change(status);
    const ready = pod.status.containerStatuses.every((one) => one.ready) ? 'True' : 'False';
    for (const condition of pod.status.conditions ?? []) {
      if (['Ready', 'ContainersReady'].includes(condition.type) && condition.status !== ready) {
        condition.status = ready;
        condition.lastTransitionTime = formatTime(this.#timeline.now);
      }
    }
    this.#store.write('MODIFIED', 'pods', pod);
    return pod;
  }

  /** @param {CrashOptions} options @returns {object} what happened */
  crash(options = {}) {
    const { exitCode = 1, reason = 'Error', message = '', lines = ['FATAL: made to crash'] } = options;
    const { restartAfter = RESTART_AFTER_S } = options;
    const object = this.#pick(options);
    const { key } = object;
    const container = options.container ?? object.json.status.containerStatuses[0].name;
    const now = this.#timeline.now;
    const old = statusesOf(object.json).find(({ name }) => name === container);
    if (!old?.state?.running) throw new Error(`${key}: container ${container} does not run`);
    this.#logs.create(object.meta, container, old.restartCount);
    for (const line of lines) {
      this.#logs.append(object.meta.uid, container, old.restartCount, criLine(now, line, { stream: 'stderr' }));
    }
    const terminated = {
      exitCode,
      reason,
      ...(message && { message }),
      startedAt: old.state.running.startedAt ?? formatTime(now - fromSeconds(STARTED_BEFORE_S)),
      finishedAt: formatTime(now),
      containerID: old.containerID,
    };
    const restart = () => this.#restart(key, container, terminated);
    if (restartAfter === 0) {
      restart();
    } else {
      this.#update(key, container, (status) => {
        Object.assign(status, { state: { terminated }, ready: false, started: false });
      });
      const waitS = restartAfter ?? RESTART_AFTER_S;
      const then = restartAfter === null ? () => this.#backOff(key, container, terminated) : restart;
      this.#timeline.schedule(now + fromSeconds(waitS), then);
    }
    const { namespace, name: pod, uid } = object.meta;
    const { containerID: containerId, restartCount: attempt } = old;
    return { namespace, pod, uid, container, containerId, attempt, exitCode, reason, at: Number(now / 1_000_000n) };
  }

  #restart(key, container, terminated) {
    const pod = this.#update(key, container, (status) => {
      Object.assign(status, {
        state: { running: { startedAt: formatTime(this.#timeline.now) } },
        lastState: { terminated },
        restartCount: status.restartCount + 1,
        containerID: newContainerId(),
        ready: true,
        started: true,
      });
    });
    if (pod) this.started(pod);
  }

  #backOff(key, container, terminated) {
    const message = `back-off 10s restarting failed container=${container}`;
    this.#update(key, container, (status) => {
      Object.assign(status, {
        state: { waiting: { reason: 'CrashLoopBackOff', message } },
        lastState: { terminated },
      });
    });
  }
}
