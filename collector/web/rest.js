// REST, as any other client reads it: one token, JSON, and the stream of incidents.

/** The answer is 401: no token, or a wrong one. */
export class Unauthorized extends Error {}

/** There is no answer. */
export class Unreachable extends Error {}

/** What was asked for is not there, or not any more. */
export class NotFound extends Error {}

export const token = {
  get: () => sessionStorage.getItem('token'),
  set: (value) => sessionStorage.setItem('token', value),
  forget: () => sessionStorage.removeItem('token'),
};

async function ask(path, signal) {
  const headers = token.get() ? { Authorization: `Bearer ${token.get()}` } : {};
  const response = await fetch(path, { headers, signal }).catch((error) => {
    throw new Unreachable(error.message);
  });
  if (response.status === 401) throw new Unauthorized();
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    const Kind = response.status === 404 ? NotFound : Error;
    throw new Kind(problem.detail ?? `HTTP ${response.status}`);
  }
  return response;
}

/** @returns {Promise<any>} */
export async function get(path) {
  return (await ask(path)).json();
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
  const response = await ask('/api/v1/incidents/stream', abort.signal);
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
