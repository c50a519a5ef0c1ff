/**
 * A response's body as it goes out: at once, dripping, or cut off in the middle. Knows whether everything written has
 * left this process, so that the replay's time does not run ahead of it.
 */
import { Signal } from '../lib/signals.js';

const DRIP_MS = 10;

/** Cuts the connection so that the peer sees a reset, not an end; under TLS it sees an end without goodbye. */
export function reset(response) {
  const { socket } = response;
  if (socket?.encrypted) socket.destroy();
  else socket?.resetAndDestroy();
}

export class Body {
  #response;
  #pending = 0;
  #bytesPerDrip = 0; // 0: as fast as the socket takes it
  #queue = [];
  #timer;
  #ended = false;
  #flushed = new Signal();

  /** @param {import('node:http').ServerResponse} response with its head written */
  constructor(response, { bytesPerSecond } = {}) {
    this.#response = response;
    if (bytesPerSecond) this.#bytesPerDrip = Math.max(1, Math.round((bytesPerSecond * DRIP_MS) / 1000));
    response.on('close', () => {
      clearInterval(this.#timer);
      this.#pending = 0;
      this.#flushed.notify();
    });
  }

  get open() {
    return !this.#response.destroyed && !this.#ended;
  }

  /** @param {Buffer} bytes */
  write(bytes) {
    if (!this.open || bytes.length === 0) return;
    if (this.#bytesPerDrip === 0) {
      this.#put(bytes);
      return;
    }
    this.#queue.push(bytes);
    this.#timer ??= setInterval(() => this.#drip(), DRIP_MS);
  }

  #put(bytes) {
    this.#pending++;
    this.#response.write(bytes, () => {
      if (this.#pending > 0) this.#pending--;
      if (this.#pending === 0) this.#flushed.notify();
    });
  }

  #drip() {
    const [first] = this.#queue;
    if (first === undefined) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      if (this.#ended) this.#response.end();
      return;
    }
    this.#put(first.subarray(0, this.#bytesPerDrip));
    if (first.length > this.#bytesPerDrip) this.#queue[0] = first.subarray(this.#bytesPerDrip);
    else this.#queue.shift();
  }

  /** Writes many pieces, no faster than the peer reads. @param {Buffer[]} pieces */
  async writeAll(pieces) {
    let batch = [];
    let length = 0;
    for (const [index, piece] of pieces.entries()) {
      batch.push(piece);
      length += piece.length;
      if (length < 256 * 1024 && index < pieces.length - 1) continue;
      this.write(Buffer.concat(batch, length));
      batch = [];
      length = 0;
      await this.flushed(60_000);
      if (!this.open) return;
    }
  }

  /** A clean end, after everything written. */
  end() {
    if (!this.open) return;
    this.#ended = true;
    if (this.#timer === undefined) this.#response.end();
  }

  /** A reset in the middle, after everything written has left. */
  async abort() {
    if (!this.open) return;
    await this.flushed(1000);
    this.#ended = true;
    reset(this.#response);
  }

  /** When what was written has been handed to the system, at the latest after `timeoutMs`. */
  flushed(timeoutMs) {
    return this.#flushed.until(() => this.#pending === 0, timeoutMs).catch(() => {});
  }
}
