/** What the server was asked and what it sent: for tests that wait for events and count them. */

const REQUESTS_KEPT = 5000;

const increment = (table, key, by = 1) => {
  table[key] = (table[key] ?? 0) + by;
};

export class Counters {
  requests = {}; // "list pods": n
  statuses = {}; // "200": n
  events = {}; // by resource, bookmarks included
  faults = {}; // by action: those that came true
  bytes = 0;
  /** @type {{at: number, method: string, path: string, verb: string, resource: string, agent: string, status: number}[]} */
  log = [];
  /** @type {Set<import('./watch.js').WatchStream>} */
  watches = new Set();

  request(entry) {
    increment(this.requests, `${entry.verb} ${entry.resource}`);
    this.log.push(entry);
    if (this.log.length > REQUESTS_KEPT) this.log.shift();
  }

  answered(entry, status) {
    entry.status = status;
    increment(this.statuses, status);
  }

  watchOpened(watch) {
    this.watches.add(watch);
  }

  watchClosed(watch) {
    this.watches.delete(watch);
  }

  eventSent(watch, bytes) {
    increment(this.events, watch.resource);
    this.bytes += bytes;
  }

  /** All counts from 0; watches stay open. */
  clear() {
    Object.assign(this, { requests: {}, statuses: {}, events: {}, faults: {}, bytes: 0, log: [] });
  }

  faultMet(fault) {
    increment(this.faults, fault.action);
  }

  /** How many watches of `resource` are open now. */
  open(resource) {
    return [...this.watches].filter((watch) => watch.resource === resource).length;
  }

  get summary() {
    const openWatches = {};
    for (const watch of this.watches) increment(openWatches, watch.resource);
    const { requests, statuses, events, faults, bytes } = this;
    return { requests, statuses, events, faults, bytes, openWatches };
  }
}
