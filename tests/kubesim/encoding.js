/** The two encodings of an answer, and the choice between them by the Accept header. */
import { Writer, field } from '../lib/protobuf.js';
import { encode, envelope, watchEvent } from './proto/codec.js';
import { KubeObject } from './store.js';

const PARTIAL = { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1' };
const STATUS = { kind: 'Status', apiVersion: 'v1' };

/** ListMeta as in JSON. */
function listMeta(version, continueToken, remaining) {
  return {
    resourceVersion: String(version),
    ...(continueToken && { continue: continueToken, remainingItemCount: remaining }),
  };
}

function bookmarkOf(type, version, annotations) {
  const metadata = { resourceVersion: String(version), creationTimestamp: null, ...(annotations && { annotations }) };
  return new KubeObject(type, { metadata });
}

/**
 * An encoding of objects, lists, watch events and errors.
 * @typedef {object} Encoding
 * @property {string} name           for caches and statistics
 * @property {string} contentType
 * @property {string} watchType      content type of a watch
 * @property {(object: KubeObject) => Buffer} object   a body
 * @property {(type, objects: KubeObject[], meta: object) => Buffer[]} list  a body, in pieces
 * @property {(change: string, object: KubeObject) => Buffer} event  with its framing
 * @property {(status: object) => Buffer} status
 * @property {(status: object) => Buffer} errorEvent
 */

function jsonEncoding({ partial }) {
  const kindOf = (type) => (partial ? PARTIAL : type);
  const item = (object) => (partial ? Buffer.from(JSON.stringify({ metadata: object.meta })) : object.item);
  const named = ({ kind, apiVersion }, bytes) =>
    Buffer.concat([Buffer.from(`${JSON.stringify({ kind, apiVersion }).slice(0, -1)},`), bytes.subarray(1)]);
  const body = (object) => named(kindOf(object.type), item(object));
  const frame = (type, bytes) => Buffer.concat([Buffer.from(`{"type":"${type}","object":`), bytes, Buffer.from('}\n')]);
  const status = (value) => named(STATUS, Buffer.from(JSON.stringify(value)));
  return {
    name: partial ? 'json-partial' : 'json',
    contentType: 'application/json',
    watchType: 'application/json',
    object: (object) => Buffer.concat([body(object), Buffer.from('\n')]),
    list(type, objects, meta) {
      const { kind, apiVersion } = kindOf(type);
      const head = JSON.stringify({ kind: `${kind}List`, apiVersion, metadata: meta });
      const pieces = [Buffer.from(`${head.slice(0, -1)},"items":[`)];
      objects.forEach((object, index) => {
        if (index > 0) pieces.push(Buffer.from(','));
        pieces.push(item(object));
      });
      pieces.push(Buffer.from(']}\n'));
      return pieces;
    },
    event: (type, object) => frame(type, body(object)),
    status: (value) => Buffer.concat([status(value), Buffer.from('\n')]),
    errorEvent: (value) => frame('ERROR', status(value)),
  };
}

function withLength(frame) {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(frame.length);
  return Buffer.concat([length, frame]);
}

function writeListMeta(writer, meta) {
  writer
    .stringField(1, '')
    .stringField(2, meta.resourceVersion)
    .stringField(3, meta.continue ?? '');
  if (meta.remainingItemCount !== undefined) writer.intField(4, meta.remainingItemCount);
}

/** A list's envelope in pieces, so that the items' bytes are not copied once more. */
function protoList({ kind, apiVersion }, items, meta) {
  const head = new Writer().messageField(1, (writer) => writeListMeta(writer, meta)).finish();
  const pieces = [head];
  for (const bytes of items) pieces.push(new Writer().tag(2, 2).varint(bytes.length).finish(), bytes);
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const around = envelope(apiVersion, `${kind}List`, Buffer.alloc(0)); // ends with raw (2 bytes) and two empty strings
  const front = new Writer().raw(around.subarray(0, -6)).tag(2, 2).varint(length).finish();
  return [front, ...pieces, around.subarray(-4)];
}

function protoEncoding({ partial }) {
  const kindOf = (type) => (partial ? PARTIAL : type);
  const raw = (object) => (partial ? new Writer().bytesField(1, field(object.proto, 1)).finish() : object.proto);
  const body = (object) => envelope(kindOf(object.type).apiVersion, kindOf(object.type).kind, raw(object));
  const status = (value) => envelope(STATUS.apiVersion, STATUS.kind, encode(STATUS.kind, value));
  return {
    name: partial ? 'protobuf-partial' : 'protobuf',
    contentType: 'application/vnd.kubernetes.protobuf',
    watchType: 'application/vnd.kubernetes.protobuf;stream=watch',
    object: body,
    list: (type, objects, meta) => protoList(kindOf(type), objects.map(raw), meta),
    event: (type, object) => withLength(watchEvent(type, body(object))),
    status,
    errorEvent: (value) => withLength(watchEvent('ERROR', status(value))),
  };
}

const JSON_FULL = jsonEncoding({ partial: false });
const JSON_PARTIAL = jsonEncoding({ partial: true });
const PROTO_FULL = protoEncoding({ partial: false });
const PROTO_PARTIAL = protoEncoding({ partial: true });

/**
 * The first media type of `accept` that can be served.
 * @param {string | undefined} accept
 * @param {boolean} hasProto whether this resource exists in protobuf
 * @returns {Encoding | undefined} undefined: 406
 */
export function chooseEncoding(accept, hasProto) {
  for (const option of (accept || '*/*').split(',')) {
    const [media, ...parameters] = option.split(';').map((part) => part.trim());
    const as = parameters
      .find((parameter) => parameter.startsWith('as='))
      ?.slice(3)
      .replace(/List$/, '');
    if (as !== undefined && as !== PARTIAL.kind) continue;
    if (['application/json', 'application/*', '*/*'].includes(media)) return as ? JSON_PARTIAL : JSON_FULL;
    if (media === 'application/vnd.kubernetes.protobuf' && hasProto) return as ? PROTO_PARTIAL : PROTO_FULL;
  }
  return undefined;
}

export { JSON_FULL as defaultEncoding, listMeta, bookmarkOf };
