/**
 * Kubernetes objects from JSON to protobuf, byte for byte as the API server writes them, and the envelopes around them
 * (https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding).
 */
import { Writer, field, textAt } from '../../lib/protobuf.js';
import { messages } from './schema.js';

const MAGIC = Buffer.from('k8s\0', 'latin1');

/** Whether objects of this kind can be written as protobuf. */
export const knows = (kind) => messages.has(kind);

function writeTime(writer, text) {
  if (!text) return; // the zero time is an empty message
  const [, fraction = ''] = /\.(\d+)/.exec(text) ?? [];
  writer.intField(1, Math.floor(Date.parse(text) / 1000)).intField(2, Number(fraction.padEnd(9, '0').slice(0, 9)));
}

function writeIntOrString(writer, value) {
  const isText = typeof value === 'string';
  writer
    .intField(1, isText ? 1 : 0)
    .intField(2, isText ? 0 : (value ?? 0))
    .stringField(3, isText ? value : '');
}

/** The types that are written in their own way: (writer, field number, JSON value). */
const scalars = {
  string: (writer, number, value) => writer.stringField(number, value ?? ''),
  bytes: (writer, number, value) => writer.bytesField(number, Buffer.from(value ?? '', 'base64')),
  bool: (writer, number, value) => writer.intField(number, value ? 1 : 0),
  int: (writer, number, value) => writer.intField(number, value ?? 0),
  Time: (writer, number, value) => writer.messageField(number, () => writeTime(writer, value)),
  MicroTime: (writer, number, value) => writer.messageField(number, () => writeTime(writer, value)),
  Quantity: (writer, number, value) => writer.messageField(number, () => writer.stringField(1, String(value ?? '0'))),
  IntOrString: (writer, number, value) => writer.messageField(number, () => writeIntOrString(writer, value)),
  FieldsV1: (writer, number, value) =>
    writer.messageField(number, () => value && writer.stringField(1, JSON.stringify(value))),
};

function writeValue(writer, number, type, value) {
  const scalar = scalars[type];
  if (scalar) scalar(writer, number, value);
  else writer.messageField(number, () => writeMessage(writer, type, value ?? {}));
}

function byBytes(a, b) {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function writeMap(writer, { number, type }, map) {
  for (const key of Object.keys(map).sort(byBytes)) {
    writer.messageField(number, () => {
      writer.stringField(1, key);
      writeValue(writer, 2, type, map[key]);
    });
  }
}

/** The names in `object` that a message and its inlined ones do not have. */
function unknownNames(type, object) {
  const known = new Set();
  const visit = (name) => {
    for (const entry of messages.get(name)) {
      if (entry.inline) visit(entry.type);
      else known.add(entry.name);
    }
  };
  visit(type);
  return Object.keys(object).filter((name) => !known.has(name));
}

function writeMessage(writer, type, object, { checked = true } = {}) {
  if (checked) {
    const unknown = unknownNames(type, object);
    if (unknown.length > 0) throw new Error(`${type} has no field ${unknown.join(', ')} in proto/schema.js`);
  }
  for (const entry of messages.get(type)) {
    const value = object[entry.name];
    if (entry.inline) {
      writer.messageField(entry.number, () => writeMessage(writer, entry.type, object, { checked: false }));
    } else if (entry.map) {
      if (value) writeMap(writer, entry, value);
    } else if (entry.repeated) {
      for (const item of value ?? []) writeValue(writer, entry.number, entry.type, item);
    } else if (entry.always || (value !== undefined && value !== null)) {
      writeValue(writer, entry.number, entry.type, value);
    }
  }
}

/**
 * One object without envelope.
 * @param {string} kind the message's name, e.g. "Pod"
 * @param {object} object as in JSON; its kind and apiVersion are left out
 */
export function encode(kind, { kind: _kind, apiVersion: _apiVersion, ...object }) {
  const writer = new Writer();
  writeMessage(writer, kind, object);
  return writer.finish();
}

/** A body: "k8s\0" and runtime.Unknown. @param {Buffer} raw */
export function envelope(apiVersion, kind, raw) {
  return new Writer()
    .raw(MAGIC)
    .messageField(1, (writer) => writer.stringField(1, apiVersion).stringField(2, kind))
    .bytesField(2, raw)
    .stringField(3, '')
    .stringField(4, '')
    .finish();
}

/** @returns {{apiVersion: string, kind: string, raw: Buffer}} what `envelope` was given */
export function openEnvelope(bytes) {
  if (!bytes.subarray(0, 4).equals(MAGIC)) throw new Error('no k8s\\0 in front');
  const unknown = bytes.subarray(4);
  return { apiVersion: textAt(unknown, [1, 1]), kind: textAt(unknown, [1, 2]), raw: field(unknown, 2) };
}

/** A watch frame without its length. @param {Buffer} enveloped */
export function watchEvent(type, enveloped) {
  return new Writer()
    .stringField(1, type)
    .messageField(2, (writer) => writer.bytesField(1, enveloped))
    .finish();
}

/** @returns {{type: string, apiVersion: string, kind: string, raw: Buffer}} */
export function openWatchEvent(frame) {
  return { type: textAt(frame, [1]), ...openEnvelope(field(field(frame, 2), 1)) };
}
