/**
 * Virtual time: what happens when, at which speed.
 *
 * Actions run in the order of their times, each to its end before the time goes on, and the clock shows exactly an
 * action's time while it runs. So nobody who reads the clock file sees a time at which something should already have
 * reached him but was not sent yet.
 */
import { performance } from 'node:perf_hooks';

const TICK_MS = 4;
/** With a clock of its own, a replay does not make up for time in which this process could not run. */
const LONGEST_STEP_MS = 20;
/** "As fast as it can": programs that react to an event within some milliseconds still do so in its second. */
export const TOP_SPEED = 100;

export class Timeline {
  #now;
  #clock;
  #speed;
  #actions = []; // sorted by time, then by when they were scheduled
  #last;
  #timer;
  #running = Promise.resolve();
  #stopped = false;
  /** While it says so, time stands still; only advance() goes on. @type {() => boolean} */
  isHeld = () => false;
  /** Time goes to this moment, with all that happens at it, and no further. @type {bigint | undefined} */
  stopAt;
  #reached;

  /**
   * @param {object} options
   * @param {bigint} options.startNs
   * @param {number} options.speed  virtual seconds a second
   * @param {import('../lib/clock-file.js').ClockFileWriter} [options.clock] without one: real time
   */
  constructor({ startNs, speed, clock }) {
    this.#now = startNs;
    this.#speed = speed;
    this.#clock = clock;
  }

  get now() {
    return this.#now;
  }

  get speed() {
    return this.#speed;
  }

  set speed(speed) {
    if (!(speed >= 0 && speed <= 10_000)) throw new Error(`speed ${speed}: 0 to 10000 is wanted`);
    this.#speed = speed;
  }

  get started() {
    return this.#last !== undefined;
  }

  /** It stands at the moment at which it was to stop, and all that happens until then has happened. */
  get stopped() {
    return this.stopAt !== undefined && this.#reached === this.stopAt;
  }

  get pending() {
    return this.#actions.length;
  }

  /** @param {bigint} at @param {() => void | Promise<void>} run */
  schedule(at, run) {
    let low = 0;
    let high = this.#actions.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#actions[middle].at > at) high = middle;
      else low = middle + 1;
    }
    this.#actions.splice(low, 0, { at, run });
  }

  /** Runs what lies before the start, so that the world is as it was then. */
  async prepare() {
    await this.#runUntil(this.#now);
  }

  start() {
    if (this.started) return;
    this.#last = performance.now();
    this.#tick();
  }

  #tick() {
    if (this.#stopped) return;
    const real = performance.now();
    let elapsed = real - this.#last;
    this.#last = real;
    if (this.#clock && elapsed > LONGEST_STEP_MS) elapsed = LONGEST_STEP_MS;
    const step = BigInt(Math.round(elapsed * this.#speed * 1e6));
    this.#serial(() => this.#runUntil(this.#now + step, () => this.isHeld())).finally(() => {
      this.#timer = setTimeout(() => this.#tick(), TICK_MS);
    });
  }

  /** Moves the time on at once, with everything that happens until then. @param {bigint} ns */
  advance(ns) {
    return this.#serial(() => this.#runUntil(this.#now + ns));
  }

  #serial(run) {
    this.#running = this.#running.then(run);
    return this.#running;
  }

  async #runUntil(wanted, isHeld = () => false) {
    const { stopAt } = this;
    const target = stopAt !== undefined && stopAt < wanted ? stopAt : wanted;
    while (!this.#stopped && this.#actions.length > 0 && this.#actions[0].at <= target) {
      if (isHeld()) return;
      const { at, run } = this.#actions.shift();
      this.#show(at);
      await run();
    }
    if (isHeld()) return;
    this.#show(target);
    if (target === stopAt) this.#reached = stopAt;
  }

  #show(ns) {
    if (ns > this.#now) this.#now = ns;
    this.#clock?.set(this.#now);
  }

  async stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
    clearTimeout(this.#timer);
  }
}
