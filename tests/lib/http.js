/** Small things that both simulators' HTTP servers need. */

/** The whole body, refused beyond `limit` bytes. @returns {Promise<Buffer>} */
export async function readBody(request, limit = 64 * 1024 * 1024) {
  const chunks = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > limit) throw new RangeError(`a body of more than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** @returns {Promise<any>} undefined for an empty body */
export async function readJson(request) {
  const body = await readBody(request);
  return body.length === 0 ? undefined : JSON.parse(body.toString());
}

export function sendJson(response, status, value) {
  const body = Buffer.from(`${JSON.stringify(value)}\n`);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length });
  response.end(body);
}

/** Starts listening. @returns {Promise<number>} the port */
export function listen(server, host, port) {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve(server.address().port);
    });
  });
}

/** Stops listening and cuts every connection. */
export function shut(server) {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections?.();
  });
}

/** "127.0.0.1:8080" or ":8080" or "8080". */
export function parseListen(text) {
  const match = /^(?:(.*):)?(\d+)$/.exec(text);
  if (!match) throw new Error(`${text}: HOST:PORT is wanted`);
  return { host: match[1] || '127.0.0.1', port: Number(match[2]) };
}

/**
 * A control API: "METHOD /path" to handler(body, query) that returns what is answered as JSON.
 * @param {Record<string, (body: any, query: URLSearchParams) => any>} routes
 */
export function controlHandler(routes) {
  return async (request, response) => {
    const url = new URL(request.url, 'http://control');
    const handler = routes[`${request.method} ${url.pathname}`];
    if (!handler) {
      sendJson(response, 404, { error: `no ${request.method} ${url.pathname}`, routes: Object.keys(routes) });
      return;
    }
    try {
      sendJson(response, 200, (await handler(await readJson(request), url.searchParams)) ?? {});
    } catch (error) {
      sendJson(response, 400, { error: error.message });
    }
  };
}
