/** Application messages: /cgi-bin/gettoken, /cgi-bin/message/send and /cgi-bin/media/upload. */
import { createHash, randomBytes } from 'node:crypto';
import { WecomError } from './errors.js';
import {
  APP_MARKDOWN_BYTES,
  checkContent,
  MEMBER_RATES,
  MOST_PARTIES,
  MOST_USERS,
  parseBody,
  RateLimit,
  TEXT_BYTES,
  TOKEN_LIFE_S,
} from './limits.js';
import { parseUpload } from './media.js';

const NS = 1_000_000_000n;
const EVERYBODY = '@all';
const DUPLICATES_S = 1800; // duplicate_check_interval unless the message says another

const split = (value) =>
  String(value ?? '')
    .split('|')
    .filter(Boolean);

export class Application {
  #tokens = new Map(); // token: {expires, revoked}
  #members = new Map(); // user: RateLimit[]
  #sent = new Map(); // digest of a message: until when the same one is a duplicate
  badSecrets = 0;
  tokensGiven = 0;

  /**
   * @param {object} options
   * @param {{corpid: string, secret: string, agentid: number}} options.corp
   * @param {string[]} options.users  who is known; [] for everybody
   * @param {import('./media.js').MediaStore} options.media
   * @param {() => bigint} options.now
   */
  constructor({ corp, users, media, now }) {
    Object.assign(this, { corp, users, media, now });
  }

  get #owner() {
    return `app:${this.corp.agentid}`;
  }

  /** As WeCom does, an unexpired token is given again. */
  getToken({ query }) {
    if (query.get('corpid') !== this.corp.corpid) {
      this.badSecrets++;
      throw new WecomError(40013);
    }
    if (query.get('corpsecret') !== this.corp.secret) {
      this.badSecrets++;
      throw new WecomError(40001);
    }
    const now = this.now();
    const valid = [...this.#tokens].find(([, { expires, revoked }]) => !revoked && expires > now);
    const [token, { expires }] = valid ?? this.#newToken(now);
    return { access_token: token, expires_in: Number((expires - now) / NS) };
  }

  #newToken(now) {
    const entry = [randomBytes(32).toString('base64url'), { expires: now + BigInt(TOKEN_LIFE_S) * NS, revoked: false }];
    this.#tokens.set(...entry);
    this.tokensGiven++;
    return entry;
  }

  /** All tokens end before their time. */
  revokeTokens() {
    for (const token of this.#tokens.values()) token.revoked = true;
  }

  #checkToken(query) {
    const token = query.get('access_token');
    if (!token) throw new WecomError(41001);
    const known = this.#tokens.get(token);
    if (!known) throw new WecomError(40014);
    if (known.revoked || known.expires <= this.now()) throw new WecomError(42001);
  }

  /**
   * @returns {object} the message; `lost` are members to whom it was not shown although the answer is 0, `duplicate` that
   *   nobody was, because the same was sent before and the sender had asked for that check
   */
  send({ query, body }) {
    this.#checkToken(query);
    const json = parseBody(body);
    if (Number(json.agentid) !== this.corp.agentid) throw new WecomError(40056);
    const users = split(json.touser);
    const parties = split(json.toparty);
    const tags = split(json.totag);
    if (users.length + parties.length + tags.length === 0) throw new WecomError(82001);
    if (users.length > MOST_USERS || parties.length > MOST_PARTIES || tags.length > MOST_PARTIES) {
      throw new WecomError(40058, 'too many receivers');
    }
    const message = this.#read(json);
    const known = users.filter((user) => this.#knows(user));
    const invalid = users.filter((user) => !this.#knows(user));
    if (known.length + parties.length + tags.length === 0) throw new WecomError(81013);
    const now = this.now();
    const duplicate = this.#isDuplicate(json, now);
    const told = duplicate ? [] : known.filter((user) => this.#takeRate(user, now));
    return {
      channel: this.#owner,
      ...message,
      users: told,
      parties,
      tags,
      duplicate,
      lost: duplicate ? [] : known.filter((user) => !told.includes(user)),
      answer: {
        msgid: randomBytes(16).toString('base64url'),
        ...(invalid.length > 0 && { invaliduser: invalid.join('|') }),
      },
    };
  }

  #isDuplicate({ enable_duplicate_check: wanted, duplicate_check_interval: interval = DUPLICATES_S, ...json }, now) {
    if (!wanted) return false;
    const digest = createHash('sha256').update(JSON.stringify(json)).digest('hex');
    const until = this.#sent.get(digest);
    if (until !== undefined && now < until) return true;
    this.#sent.set(digest, now + BigInt(interval) * NS);
    return false;
  }

  #knows(user) {
    return user === EVERYBODY || this.users.length === 0 || this.users.includes(user);
  }

  #takeRate(user, now) {
    const limits = this.#members.get(user) ?? MEMBER_RATES.map((rate) => new RateLimit(rate));
    this.#members.set(user, limits);
    return limits.every((limit) => limit.take(now));
  }

  #read(json) {
    const { msgtype } = json;
    if (msgtype === 'text' || msgtype === 'markdown') {
      const content = json[msgtype]?.content;
      checkContent(content, msgtype === 'text' ? TEXT_BYTES : APP_MARKDOWN_BYTES, 45002);
      return { msgtype, text: content };
    }
    if (msgtype === 'file') {
      const { name, bytes } = this.media.get(this.#owner, json.file?.media_id, this.now());
      return { msgtype, text: '', file: { name, size: bytes.length, mediaId: json.file.media_id } };
    }
    throw new WecomError(40008, `msgtype ${msgtype}`);
  }

  upload({ query, body, headers }) {
    this.#checkToken(query);
    const now = this.now();
    const mediaId = this.media.add(this.#owner, parseUpload(body, headers['content-type']), query.get('type'), now);
    return { type: 'file', media_id: mediaId, created_at: String(now / NS) };
  }
}
