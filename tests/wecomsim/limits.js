/** What WeCom lets through: sizes, rates, lifetimes. Times are BigInt nanoseconds of the simulator's clock. */
import { WecomError } from './errors.js';

export const TEXT_BYTES = 2048;
export const ROBOT_MARKDOWN_BYTES = 4096;
export const APP_MARKDOWN_BYTES = 2048;
export const FILE_BYTES = { least: 5, most: 20 * 1024 * 1024 };
export const MEDIA_LIFE_S = 3 * 24 * 3600;
export const TOKEN_LIFE_S = 7200;
export const MOST_USERS = 1000;
export const MOST_PARTIES = 100;
export const MEMBER_RATES = [
  { count: 30, seconds: 60 },
  { count: 1000, seconds: 3600 },
];

const NS = 1_000_000_000n;

/** At most `count` in any `seconds`. */
export class RateLimit {
  #times = [];

  constructor({ count, seconds }) {
    this.count = count;
    this.windowNs = BigInt(seconds) * NS;
  }

  /** @param {bigint} now @returns {boolean} whether one more is let through; then it counts */
  take(now) {
    this.#times = this.#times.filter((at) => at > now - this.windowNs);
    if (this.#times.length >= this.count) return false;
    this.#times.push(now);
    return true;
  }
}

/** Text that WeCom shows as it is: there, valid, not too long. @param {unknown} content */
export function checkContent(content, most, errcodeTooLong) {
  if (typeof content !== 'string' || content.trim() === '') throw new WecomError(44004);
  if (/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(content)) {
    throw new WecomError(40058, 'content is not valid UTF-8');
  }
  const length = Buffer.byteLength(content);
  if (length > most) throw new WecomError(errcodeTooLong, `content exceed max length ${most}, got ${length}`);
}

/** @returns {any} the JSON in a body that must be UTF-8 */
export function parseBody(body) {
  let text;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw new WecomError(40058, 'the body is not valid UTF-8');
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new WecomError(47001);
  }
}
