/**
 * A replay's clock: eight bytes, the wall time in nanoseconds as a little-endian int64, that one program writes and
 * others map (nj_clock_open_replay in common/base/clock.h).
 */
import fs from 'node:fs';

/** The side that owns the time. It never goes back. */
export class ClockFileWriter {
  #fd;
  #bytes = Buffer.alloc(8);
  #now = 0n;

  constructor(path, startNs) {
    this.#fd = fs.openSync(path, 'w+');
    this.set(startNs);
  }

  set(ns) {
    if (ns <= this.#now) return;
    this.#now = ns;
    this.#bytes.writeBigInt64LE(ns);
    fs.writeSync(this.#fd, this.#bytes, 0, 8, 0);
  }

  close() {
    fs.closeSync(this.#fd);
  }
}

/** The side that asks. */
export class ClockFileReader {
  #fd;
  #bytes = Buffer.alloc(8);

  constructor(path) {
    this.#fd = fs.openSync(path, 'r');
  }

  now() {
    fs.readSync(this.#fd, this.#bytes, 0, 8, 0);
    return this.#bytes.readBigInt64LE();
  }

  close() {
    fs.closeSync(this.#fd);
  }
}
