/**
 * The protobuf wire format (https://protobuf.dev/programming-guides/encoding/): writing and walking, no schema.
 */

export const VARINT = 0;
export const FIXED64 = 1;
export const BYTES = 2;
export const FIXED32 = 5;

/** A growing buffer that protobuf fields are appended to. */
export class Writer {
  #buffer = Buffer.allocUnsafe(1024);
  #length = 0;

  #reserve(more) {
    if (this.#length + more <= this.#buffer.length) return;
    const bigger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + more));
    this.#buffer.copy(bigger, 0, 0, this.#length);
    this.#buffer = bigger;
  }

  /** @param {number | bigint} value negative values take ten bytes, as int32 and int64 do */
  varint(value) {
    this.#reserve(10);
    if (typeof value === 'number' && value >= 0 && value <= 0x7fffffff) {
      let rest = value;
      while (rest >= 0x80) {
        this.#buffer[this.#length++] = (rest & 0x7f) | 0x80;
        rest >>>= 7;
      }
      this.#buffer[this.#length++] = rest;
      return this;
    }
    let rest = BigInt.asUintN(64, BigInt(value));
    while (rest >= 0x80n) {
      this.#buffer[this.#length++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#buffer[this.#length++] = Number(rest);
    return this;
  }

  tag(number, type) {
    return this.varint(number * 8 + type);
  }

  intField(number, value) {
    return this.tag(number, VARINT).varint(value);
  }

  stringField(number, text) {
    const length = Buffer.byteLength(text);
    this.tag(number, BYTES).varint(length);
    this.#reserve(length);
    this.#length += this.#buffer.write(text, this.#length);
    return this;
  }

  bytesField(number, bytes) {
    this.tag(number, BYTES).varint(bytes.length);
    return this.raw(bytes);
  }

  raw(bytes) {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  /** A nested message: `fill` writes its fields into this same writer. */
  messageField(number, fill) {
    this.tag(number, BYTES);
    this.#reserve(1);
    const start = ++this.#length; // one byte for the length; more are made room for when it is known
    fill(this);
    const length = this.#length - start;
    let extra = 0;
    for (let rest = length; rest >= 0x80; rest = Math.floor(rest / 128)) extra++;
    if (extra > 0) {
      this.#reserve(extra);
      this.#buffer.copyWithin(start + extra, start, this.#length);
    }
    this.#length = start - 1;
    this.varint(length);
    this.#length += length;
    return this;
  }

  /** The bytes written so far, as a copy. */
  finish() {
    return Buffer.from(this.#buffer.subarray(0, this.#length));
  }
}

function readVarint(bytes, offset) {
  let value = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    if (offset >= bytes.length) throw new RangeError('protobuf: truncated varint');
    const byte = bytes[offset++];
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return { value, offset };
  }
  throw new RangeError('protobuf: varint too long');
}

/**
 * Walks the fields of one message.
 * @param {Buffer} bytes
 * @yields {{number: number, type: number, value: bigint | Buffer, start: number, end: number}} `start` and `end` are
 *   the field's place in `bytes`, its tag included; `value` is a slice of it for BYTES.
 */
export function* fields(bytes) {
  let offset = 0;
  while (offset < bytes.length) {
    const start = offset;
    const key = readVarint(bytes, offset);
    offset = key.offset;
    const number = Number(key.value >> 3n);
    const type = Number(key.value & 7n);
    let value;
    if (type === VARINT) {
      ({ value, offset } = readVarint(bytes, offset));
    } else {
      let length = type === FIXED64 ? 8 : 4;
      if (type === BYTES) {
        const size = readVarint(bytes, offset);
        length = Number(size.value);
        offset = size.offset;
      } else if (type !== FIXED64 && type !== FIXED32) {
        throw new RangeError(`protobuf: wire type ${type}`);
      }
      if (offset + length > bytes.length) throw new RangeError('protobuf: truncated field');
      value = bytes.subarray(offset, offset + length);
      offset += length;
    }
    yield { number, type, value, start, end: offset };
  }
}

/** The last value of field `number`, or undefined. @returns {bigint | Buffer | undefined} */
export function field(bytes, number) {
  let found;
  for (const entry of fields(bytes)) if (entry.number === number) found = entry.value;
  return found;
}

/** The text of the nested field at `path`, "" when absent. @param {Buffer} bytes @param {number[]} path */
export function textAt(bytes, path) {
  let value = bytes;
  for (const number of path) {
    value = field(value, number);
    if (value === undefined) return '';
  }
  return value.toString();
}

/** `bytes` with the string at `path` set to `text`; nothing else changes. @param {number[]} path */
export function withText(bytes, path, text) {
  const [number, ...rest] = path;
  const writer = new Writer();
  let done = false;
  const put = (old) => {
    done = true;
    if (rest.length === 0) writer.stringField(number, text);
    else writer.bytesField(number, withText(old, rest, text));
  };
  for (const entry of fields(bytes)) {
    if (!done && entry.number > number) put(Buffer.alloc(0)); // fields are written in the order of their numbers
    if (entry.number === number) put(entry.value);
    else writer.raw(bytes.subarray(entry.start, entry.end));
  }
  if (!done) put(Buffer.alloc(0));
  return writer.finish();
}
