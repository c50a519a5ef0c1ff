/** One watch: from a version onwards, what its selector lets through. */
import { Body } from './body.js';
import { bookmarkOf } from './encoding.js';
import { StatusError } from './status.js';

const INITIAL_EVENTS_END = { 'k8s.io/initial-events-end': 'true' };

export class WatchStream {
  #collection;
  #selects;
  #encoding;
  #body;
  #fault;
  #bookmarks;
  #counters;
  #stalled = false;
  #leave = () => {};
  sent = 0;

  /**
   * @param {object} options
   * @param {import('./store.js').Collection} options.collection
   * @param {(json: object) => boolean} options.selects
   * @param {import('./encoding.js').Encoding} options.encoding
   * @param {import('node:http').ServerResponse} options.response
   * @param {boolean} options.bookmarks     whether they were asked for
   * @param {import('./faults.js').Fault} [options.fault]      befalls the watch
   * @param {number} [options.bytesPerSecond] slow
   * @param {number} options.timeoutMs      the server ends it then
   * @param {import('./counters.js').Counters} options.counters
   */
  constructor({ collection, selects, encoding, response, bookmarks, fault, bytesPerSecond, timeoutMs, counters }) {
    this.#collection = collection;
    this.#selects = selects;
    this.#encoding = encoding;
    this.#bookmarks = bookmarks && fault?.action !== 'no-bookmarks';
    this.#fault = fault;
    this.#counters = counters;
    response.writeHead(200, { 'content-type': encoding.watchType, 'cache-control': 'no-cache, private' });
    response.flushHeaders();
    this.#body = new Body(response, { bytesPerSecond });
    const timer = setTimeout(() => this.end(), timeoutMs);
    response.on('close', () => {
      clearTimeout(timer);
      this.#leave();
      counters.watchClosed(this);
    });
    counters.watchOpened(this);
  }

  get resource() {
    return this.#collection.type.plural;
  }

  get encodingName() {
    return this.#encoding.name;
  }

  /**
   * Begins to send.
   * @param {{state?: boolean, after?: number, markEnd?: boolean}} from `state`: made-up ADDEDs of what there is, then
   *   what changes; else the changes after version `after`. `markEnd`: a bookmark says that the state is complete.
   */
  start({ state, after, markEnd }) {
    if (this.#faultIsDue()) return;
    if (state) {
      for (const object of this.#collection.objects.values()) {
        if (this.#selects(object.json)) this.#send(this.#encoding.event('ADDED', object));
      }
      if (markEnd) this.#sendBookmark(this.#collection.version, INITIAL_EVENTS_END);
    } else {
      const changes = this.#collection.since(after);
      if (changes === undefined) {
        this.#error(new StatusError(410, `too old resource version: ${after} (${this.#collection.floor})`));
        return;
      }
      for (const change of changes) this.onChange(change);
    }
    this.#leave = this.#collection.watch(this);
  }

  /** @param {import('./store.js').Change} change */
  onChange({ type, object, previous, version }) {
    const is = type !== 'DELETED' && this.#selects(object.json);
    const was = previous !== undefined && this.#selects(previous.json);
    if (is) this.#send(this.#encoding.event(was ? 'MODIFIED' : 'ADDED', object));
    else if (was) {
      // What leaves a selection is told as it last was in it, under the version at which it left.
      this.#send(this.#encoding.event('DELETED', type === 'DELETED' ? object : previous.atVersion(version)));
    }
  }

  onBookmark(version) {
    if (this.#bookmarks) this.#sendBookmark(version);
  }

  #sendBookmark(version, annotations) {
    this.#send(this.#encoding.event('BOOKMARK', bookmarkOf(this.#collection.type, version, annotations)));
  }

  #send(frame) {
    if (this.#stalled || !this.#body.open) return;
    this.sent++;
    const fault = this.#fault;
    if (fault && this.sent === fault.at && ['reset', 'stall'].includes(fault.action)) {
      this.#body.write(frame.subarray(0, frame.length >> 1));
      this.#counters.faultMet(fault);
      this.#stalled = true;
      if (fault.action === 'reset') this.#body.abort();
      return;
    }
    this.#body.write(frame);
    this.#counters.eventSent(this, frame.length);
    this.#faultIsDue();
  }

  /** Does what the fault wants after `at` events. @returns {boolean} whether the watch is over with it */
  #faultIsDue() {
    const fault = this.#fault;
    if (!fault || this.sent !== fault.at || fault.action === 'no-bookmarks') return false;
    if (['reset', 'stall'].includes(fault.action) && fault.at > 0) return false; // happens inside the frame
    this.#counters.faultMet(fault);
    this.#stalled = true;
    switch (fault.action) {
      case 'end':
        this.#body.end();
        break;
      case 'reset':
        this.#body.abort();
        break;
      case 'bad-frame': // neither JSON nor protobuf; as a protobuf frame its length is 16
        this.#body.write(Buffer.from('\0\0\0\x10{"type":\xff\xfe,,,,]]\n', 'latin1'));
        break;
      case 'huge-frame': // a length of 2 GiB, and a line that never ends
        this.#body.write(Buffer.from([0x7f, 0xff, 0xff, 0xff]));
        this.#pourForEver();
        break;
      case 'error-event':
        this.#error(new StatusError(fault.status, fault.message, fault));
        break;
      default: // stall: silence
    }
    return true;
  }

  async #pourForEver() {
    const piece = Buffer.alloc(64 * 1024, 'x');
    while (this.#body.open) {
      this.#body.write(piece);
      await this.#body.flushed(60_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #error(error) {
    this.#body.write(this.#encoding.errorEvent(error.status));
    this.#body.end();
  }

  /** When what was sent has left; a watch that stalls on purpose is not waited for. */
  flushed(timeoutMs) {
    return this.#stalled ? Promise.resolve() : this.#body.flushed(timeoutMs);
  }

  end() {
    this.#body.end();
  }

  /** Cuts the connection. */
  cut() {
    this.#body.abort();
  }
}
