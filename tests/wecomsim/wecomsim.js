/** The WeCom stand-in as one thing: robots, an application, a plain webhook receiver, what they received, a control API. */
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';
import { makeCertificates, tlsOptions } from '../lib/certificates.js';
import { ClockFileReader } from '../lib/clock-file.js';
import { controlHandler, listen, readBody, sendJson, shut } from '../lib/http.js';
import { Signal } from '../lib/signals.js';
import { formatTime, realNow } from '../lib/time.js';
import { Application } from './application.js';
import { WecomError } from './errors.js';
import { Faults } from './faults.js';
import { MediaStore } from './media.js';
import { Robots } from './robot.js';

const BODY_BYTES = 21 * 1024 * 1024;
const WAIT_SECONDS = 60;
const OK = { errcode: 0, errmsg: 'ok' };

export class Wecomsim {
  faults = new Faults();
  changed = new Signal();
  /** @type {object[]} what was accepted, in order */
  messages = [];
  /** @type {{at: string, path: string, errcode: number | null}[]} every request and what it was answered */
  attempts = [];
  #media = new MediaStore();
  #options;
  #server;
  #clock;
  #lastMessage = 0;
  #idempotencyKeys = new Set();
  duplicates = 0;

  /** @param {ReturnType<import('./options.js').parseOptions>} options */
  constructor(options) {
    this.#options = options;
    this.#clock = options.clockFile && new ClockFileReader(options.clockFile);
    const common = { media: this.#media, now: () => this.#clock?.now() ?? realNow() };
    this.now = common.now;
    this.robots = new Robots({ keys: options.robots, rate: options.rate, ...common });
    this.application = new Application({ corp: options.corp, users: options.users, ...common });
  }

  async start() {
    const {
      tls,
      stateDir,
      listen: { host, port },
    } = this.#options;
    if (tls) await makeCertificates(stateDir);
    const handler = (request, response) => this.#handle(request, response);
    this.#server = tls ? https.createServer(tlsOptions(stateDir), handler) : http.createServer(handler);
    const url = `${tls ? 'https' : 'http'}://${host}:${await listen(this.#server, host, port)}`;
    return {
      url,
      robots: this.#options.robots.map((key) => `${url}/cgi-bin/webhook/send?key=${key}`),
      hook: `${url}/hook/default`,
      control: url,
      ...(tls && { ca: path.join(stateDir, 'ca.crt') }),
    };
  }

  #handle(request, response) {
    const handler = request.url.startsWith('/control/') ? this.#control : this.#wecom;
    handler(request, response).catch((error) => {
      process.stderr.write(`wecomsim: ${request.method} ${request.url}: ${error.stack}\n`);
      response.destroy();
    });
  }

  #wecom = async (request, response) => {
    const { pathname, searchParams: query } = new URL(request.url, 'http://wecomsim');
    const body = await readBody(request, BODY_BYTES + 1024);
    const call = { query, body, headers: request.headers, name: pathname.slice('/hook/'.length) };
    const handlers = {
      'POST /cgi-bin/webhook/send': () => this.#accept(this.robots.send(call)),
      'POST /cgi-bin/webhook/upload_media': () => this.robots.upload(call),
      'GET /cgi-bin/gettoken': () => this.application.getToken(call),
      'POST /cgi-bin/message/send': () => this.#accept(this.application.send(call)),
      'POST /cgi-bin/media/upload': () => this.application.upload(call),
    };
    const handler = pathname.startsWith('/hook/')
      ? () => this.#accept(this.#readHook(call))
      : handlers[`${request.method} ${pathname}`];
    if (!handler) {
      sendJson(response, 404, { error: `no ${request.method} ${pathname}` });
      return;
    }
    const attempt = { at: formatTime(this.now(), 3), path: request.url, errcode: null };
    this.attempts.push(attempt);
    const fault = this.faults.take(request.url);
    const answer = fault && !fault.accept && fault.action !== 'slow' ? undefined : this.#call(handler);
    if (fault) this.#fail(response, fault, answer, attempt);
    else this.#answer(response, answer, attempt);
    this.changed.notify();
  };

  /** @returns {object} what WeCom says */
  #call(handler) {
    try {
      return { ...OK, ...handler() };
    } catch (error) {
      if (error instanceof WecomError) return error.answer;
      throw error;
    }
  }

  #answer(response, answer, attempt) {
    attempt.errcode = answer.errcode;
    sendJson(response, 200, answer);
  }

  #fail(response, fault, answer, attempt) {
    const text = JSON.stringify(answer ?? OK);
    switch (fault.action) {
      case 'errcode':
        this.#answer(response, new WecomError(fault.errcode).answer, attempt);
        break;
      case 'status':
        sendJson(response, fault.status, { error: `HTTP ${fault.status} was asked for` });
        break;
      case 'slow':
        setTimeout(() => this.#answer(response, answer, attempt), fault.seconds * 1000);
        break;
      case 'close':
        response.socket.destroy();
        break;
      case 'half-answer':
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': text.length });
        response.write(text.slice(0, text.length >> 1), () => response.socket.destroy());
        break;
      case 'garbage':
        response.writeHead(200, { 'content-type': 'text/html' });
        response.end('<html>\xff\xfe 502 Bad Gateway', 'latin1');
        break;
      default: // hang
    }
  }

  /** Any JSON, for other systems than WeCom. */
  #readHook({ name, body, headers }) {
    let json;
    try {
      json = JSON.parse(body.toString());
    } catch {
      throw new WecomError(47001);
    }
    const key = headers['idempotency-key'];
    const duplicate = key !== undefined && this.#idempotencyKeys.has(`${name} ${key}`);
    if (key !== undefined) this.#idempotencyKeys.add(`${name} ${key}`);
    return { channel: `hook:${name}`, msgtype: 'json', text: body.toString(), json, headers, duplicate };
  }

  /** What the receiver knows to be a duplicate is acknowledged, but nobody is told once more. */
  #accept({ answer, duplicate, ...message }) {
    if (duplicate) {
      this.duplicates++;
      return answer;
    }
    this.messages.push({ number: ++this.#lastMessage, at: formatTime(this.now(), 3), realMs: Date.now(), ...message });
    return answer;
  }

  #state() {
    const errcodes = {};
    for (const { errcode } of this.attempts) errcodes[errcode ?? 'none'] = (errcodes[errcode ?? 'none'] ?? 0) + 1;
    const { badSecrets, tokensGiven } = this.application;
    return {
      time: formatTime(this.now(), 3),
      messages: this.messages.length,
      attempts: this.attempts.length,
      duplicates: this.duplicates,
      errcodes,
      badSecrets,
      tokensGiven,
    };
  }

  #control = controlHandler({
    'GET /control/messages': (_body, query) => {
      const channel = query.get('channel');
      return this.messages.filter((message) => !channel || message.channel === channel);
    },
    'DELETE /control/messages': () => {
      this.messages = [];
      this.attempts = [];
    },
    'GET /control/attempts': () => this.attempts,
    'GET /control/state': () => this.#state(),
    'GET /control/wait': async (_body, query) => {
      const [what, count = '1'] = (query.get('until') ?? 'messages:1').split(':');
      if (!['messages', 'attempts'].includes(what)) throw new Error('until=messages:N or attempts:N is wanted');
      const timeoutMs = Number(query.get('timeout') ?? WAIT_SECONDS) * 1000;
      await this.changed.until(() => this[what].length >= Number(count), timeoutMs);
      return this.#state();
    },
    'GET /control/media': (_body, query) => {
      const file = this.#media.find(query.get('id'));
      if (!file) throw new Error('no such media');
      return {
        name: file.name,
        size: file.bytes.length,
        text: file.bytes.toString(),
        base64: file.bytes.toString('base64'),
      };
    },
    'GET /control/faults': () => this.faults.rules,
    'POST /control/faults': (body) => this.faults.add(body),
    'DELETE /control/faults': (_body, query) =>
      this.faults.remove(query.has('id') ? Number(query.get('id')) : undefined),
    'POST /control/revoke-tokens': () => this.application.revokeTokens(),
    'POST /control/remove-robot': ({ key }) => this.robots.remove(key),
  });

  async stop() {
    await shut(this.#server);
    this.#clock?.close();
  }
}
