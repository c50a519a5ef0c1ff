/** What the simulator's own tests need: a running simulator, a client that knows both encodings. */
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Kubesim } from './kubesim.js';
import { parseOptions } from './options.js';
import { openWatchEvent } from './proto/codec.js';
import { textAt } from '../lib/protobuf.js';

export const RECORDING = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', 'recordings');
export const PROTOBUF = 'application/vnd.kubernetes.protobuf';

/** Starts a simulator that ends with the test. @param {import('node:test').TestContext} t @param {string[]} args */
export async function startKubesim(t, args) {
  const kubesim = new Kubesim(parseOptions(args));
  const ready = await kubesim.start();
  t.after(() => kubesim.stop());
  return { kubesim, ...ready };
}

/** Sends a request and waits for the head of the answer. @returns {Promise<http.IncomingMessage>} */
export function send(url, { method = 'GET', headers = {}, body, ...options } = {}) {
  const { request } = url.startsWith('https:') ? https : http;
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent: false, ...options }, resolve);
    sent.on('error', reject);
    sent.end(body);
  });
}

/** @returns {Promise<{status: number, headers: object, body: Buffer, json: any}>} `json` when it is JSON */
export async function ask(url, options) {
  const response = await send(url, options);
  const chunks = [];
  for await (const chunk of response) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const isJson = response.headers['content-type']?.includes('json');
  return { status: response.statusCode, headers: response.headers, body, json: isJson ? JSON.parse(body) : undefined };
}

export const post = (url, value) => ask(url, { method: 'POST', body: JSON.stringify(value) });

function* jsonEvents(state, chunk) {
  const lines = (state.rest + chunk.toString()).split('\n');
  state.rest = lines.pop();
  for (const line of lines) {
    const { type, object } = JSON.parse(line);
    yield { type, object, version: object.metadata?.resourceVersion, name: object.metadata?.name };
  }
}

function* protoEvents(state, chunk) {
  state.bytes = Buffer.concat([state.bytes, chunk]);
  while (state.bytes.length >= 4) {
    const length = state.bytes.readUInt32BE();
    if (state.bytes.length < 4 + length) return;
    const frame = state.bytes.subarray(4, 4 + length);
    state.bytes = state.bytes.subarray(4 + length);
    const { type, raw, kind } = openWatchEvent(frame);
    yield { type, kind, frame, version: textAt(raw, [1, 6]), name: textAt(raw, [1, 1]) };
  }
}

/**
 * The events of a watch, until it ends; one that is cut off throws.
 * @param {string} url without the watch parameter
 */
export async function* watch(url, { accept = 'application/json', ...options } = {}) {
  const response = await send(`${url}${url.includes('?') ? '&' : '?'}watch=1`, { ...options, headers: { accept } });
  if (response.statusCode !== 200) throw new Error(`HTTP ${response.statusCode}`);
  const state = { rest: '', bytes: Buffer.alloc(0) };
  const parse = accept === PROTOBUF ? protoEvents : jsonEvents;
  for await (const chunk of response) yield* parse(state, chunk);
  if (state.rest || state.bytes.length > 0) throw new Error('the watch ended within an event');
}

/** The first `count` events of a watch. */
export async function take(events, count) {
  const taken = [];
  if (count === 0) return taken;
  for await (const event of events) {
    taken.push(event);
    if (taken.length === count) break;
  }
  return taken;
}
