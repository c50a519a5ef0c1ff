/** Uploaded files: multipart/form-data in, a media_id out that lives three days and for its owner only. */
import { randomBytes } from 'node:crypto';
import { WecomError } from './errors.js';
import { FILE_BYTES, MEDIA_LIFE_S } from './limits.js';

const NS = 1_000_000_000n;

/**
 * The one file in a multipart body.
 * @param {Buffer} body @param {string} contentType
 * @returns {{name: string, bytes: Buffer} | undefined}
 */
export function parseUpload(body, contentType) {
  const [, quoted, plain] = /boundary=(?:"([^"]+)"|([^;\s]+))/.exec(contentType ?? '') ?? [];
  const boundary = quoted ?? plain;
  if (!boundary) return undefined;
  const start = body.indexOf(`--${boundary}\r\n`);
  const headEnd = body.indexOf('\r\n\r\n', start);
  const end = body.indexOf(`\r\n--${boundary}`, headEnd);
  if (start < 0 || headEnd < 0 || end < 0) return undefined;
  const head = body.subarray(start, headEnd).toString();
  const [, name] = /filename="([^"]*)"/.exec(head) ?? [];
  if (!/name="media"/.test(head) || !name) return undefined;
  return { name, bytes: body.subarray(headEnd + 4, end) };
}

export class MediaStore {
  #files = new Map(); // media_id: file

  /** @param {string} owner the robot or the application that may send it */
  add(owner, upload, type, now) {
    if (!upload) throw new WecomError(41005);
    if (type !== 'file') throw new WecomError(40008, `type ${type}`);
    if (upload.bytes.length === 0) throw new WecomError(44001);
    const { least, most } = FILE_BYTES;
    if (upload.bytes.length < least || upload.bytes.length > most) throw new WecomError(45001);
    const mediaId = randomBytes(24).toString('base64url');
    this.#files.set(mediaId, { ...upload, owner, at: now });
    return mediaId;
  }

  /** @returns {{name: string, bytes: Buffer}} */
  get(owner, mediaId, now) {
    const file = this.#files.get(mediaId);
    if (!file || file.owner !== owner || now - file.at > BigInt(MEDIA_LIFE_S) * NS) throw new WecomError(40007);
    return file;
  }

  /** For the control API: any file. */
  find(mediaId) {
    return this.#files.get(mediaId);
  }
}
