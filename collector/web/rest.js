// REST, as any other client reads it: one token, JSON, and the stream of incidents.

/** The answer is 401: no token, or a wrong one. */
export class Unauthorized extends Error {}

/** There is no answer. */
export class Unreachable extends Error {}

/** What was asked for is not there, or not any more. */
export class NotFound extends Error {}

/** The token may only read. */
export class Forbidden extends Error {}

export const token = {
  get: () => sessionStorage.getItem('token'),
  set: (value) => sessionStorage.setItem('token', value),
  forget: () => sessionStorage.removeItem('token'),
};

const KINDS = new Map([[403, Forbidden], [404, NotFound]]);

async function ask(path, { signal, method, body } = {}) {
  const headers = { ...(token.get() && { Authorization: `Bearer ${token.get()}` }), ...(body && { 'Content-Type': 'application/json' }) };
  const response = await fetch(path, { headers, signal, method, body: body && JSON.stringify(body) }).catch((error) => {
    throw new Unreachable(error.message);
  });
  if (response.status === 401) throw new Unauthorized();
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    const Kind = KINDS.get(response.status) ?? Error;
    throw new Kind(problem.detail ?? `HTTP ${response.status}`);
  }
  return response;
}

/** @returns {Promise<any>} */
export async function get(path) {
  return (await ask(path)).json();
}

/** Changes something. @returns {Promise<any>} */
export async function send(method, path, body) {
  return (await ask(path, { method, body })).json();
}

let writing = null; // {token, answer: Promise<boolean>}

/** Whether this token may change anything. REST says so by what it refuses, and there never is a silence 0 to end. */
export function mayWrite() {
  if (writing?.token !== token.get()) {
    const answer = send('DELETE', '/api/v1/silences/0').then(() => true, (error) => {
      if (error instanceof NotFound) return true;
      if (!(error instanceof Forbidden)) writing = null; // nobody has answered that
      return false;
    });
    writing = { token: token.get(), answer };
  }
  return writing.answer;
}

/** What is no JSON. @returns {Promise<string>} */
export async function getText(path) {
  return (await ask(path)).text();
}

/** Nothing comes for longer than the server's keepalive: the connection is dead, though nobody said so. */
const SILENCE_MS = 40_000;

async function readInTime(reader, abort) {
  const timer = setTimeout(() => abort.abort(), SILENCE_MS);
  try {
    return await reader.read();
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Incidents as they change, by fetch(), since EventSource cannot send a token. Yields null once it listens; ends, or
 * throws, when the connection does, or when `abort` is used.
 * @param {AbortController} abort
 */
export async function* changes(abort) {
  const response = await ask('/api/v1/incidents/stream', { signal: abort.signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  yield null;
  let text = '';
  for (;;) {
    const { done, value } = await readInTime(reader, abort);
    if (done) return;
    const events = (text + value).split('\n\n');
    text = events.pop();
    for (const event of events) {
      const data = event.split('\n').find((line) => line.startsWith('data: '));
      if (data) yield JSON.parse(data.slice('data: '.length));
    }
  }
}
