/** Group robots: /cgi-bin/webhook/send and /cgi-bin/webhook/upload_media. */
import { WecomError } from './errors.js';
import { checkContent, parseBody, RateLimit, ROBOT_MARKDOWN_BYTES, TEXT_BYTES } from './limits.js';
import { parseUpload } from './media.js';

/** @param {unknown} value */
function checkNames(value, name) {
  if (value === undefined) return [];
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) throw new WecomError(40058, name);
  return value;
}

export class Robots {
  /** @type {Map<string, RateLimit>} */
  #robots;

  /**
   * @param {object} options
   * @param {string[]} options.keys
   * @param {number} options.rate  messages a minute
   * @param {import('./media.js').MediaStore} options.media
   * @param {() => bigint} options.now
   */
  constructor({ keys, rate, media, now }) {
    this.#robots = new Map(keys.map((key) => [key, new RateLimit({ count: rate, seconds: 60 })]));
    this.media = media;
    this.now = now;
  }

  #limitOf(query) {
    const key = query.get('key');
    const limit = this.#robots.get(key);
    if (!limit) throw new WecomError(93000, `hint: [key ${key}]`);
    return limit;
  }

  /** The group has thrown it out. */
  remove(key) {
    this.#robots.delete(key);
  }

  /** @returns {object} the message, if WeCom lets it through */
  send({ query, body }) {
    const limit = this.#limitOf(query);
    const message = this.#read(parseBody(body), query.get('key'));
    if (!limit.take(this.now())) throw new WecomError(45009);
    return { channel: `robot:${query.get('key')}`, ...message };
  }

  #read(json, key) {
    const { msgtype } = json;
    if (msgtype === 'text') {
      const { content, mentioned_list: users, mentioned_mobile_list: mobiles } = json.text ?? {};
      checkContent(content, TEXT_BYTES, 45002);
      const mentions = checkNames(users, 'mentioned_list');
      return { msgtype, text: content, mentions, mobiles: checkNames(mobiles, 'mentioned_mobile_list') };
    }
    if (msgtype === 'markdown') {
      const content = json.markdown?.content;
      checkContent(content, ROBOT_MARKDOWN_BYTES, 40058);
      return { msgtype, text: content, mentions: [...content.matchAll(/<@([^>]+)>/g)].map(([, user]) => user) };
    }
    if (msgtype === 'file') {
      const { name, bytes } = this.media.get(`robot:${key}`, json.file?.media_id, this.now());
      return { msgtype, text: '', file: { name, size: bytes.length, mediaId: json.file.media_id } };
    }
    throw new WecomError(40008, `msgtype ${msgtype}`);
  }

  upload({ query, body, headers }) {
    this.#limitOf(query);
    const now = this.now();
    const upload = parseUpload(body, headers['content-type']);
    const mediaId = this.media.add(`robot:${query.get('key')}`, upload, query.get('type'), now);
    return { type: 'file', media_id: mediaId, created_at: String(now / 1_000_000_000n) };
  }
}
