/** The API server's front: paths, credentials, faults, and the verbs that read. */
import { Body, reset } from './body.js';
import { loggedInstance } from './containers.js';
import { chooseEncoding, defaultEncoding, listMeta } from './encoding.js';
import { knows } from './proto/codec.js';
import { renderLog } from './podlogs.js';
import { resolvePath } from './resources.js';
import { makeSelector, SelectorError } from './selectors.js';
import { notFound, StatusError, tooLarge, tooOld } from './status.js';
import { WatchStream } from './watch.js';
import { applyWrite } from './write.js';

const VERSION = { major: '1', minor: '26', gitVersion: 'v1.26.0+kubesim', platform: 'linux/amd64' };
const OPEN_PATHS = ['/version', '/livez', '/readyz', '/healthz'];
const WRITES = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' };
const SHORTEST_TIMEOUT_S = 1800; // the server's own choice: 30 to 60 minutes

/** What a request is about. @returns {string} list, watch, get, log, create, update, patch, delete or other */
function verbOf(method, target, query) {
  if (!target) return 'other';
  if (method !== 'GET') return WRITES[method] ?? 'other';
  if (target.subresource === 'log') return 'log';
  if (['1', 'true'].includes(query.get('watch'))) return 'watch';
  return target.name ? 'get' : 'list';
}

function positiveInteger(query, name) {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (!/^\d+$/.test(text)) throw new StatusError(400, `${name}: invalid value "${text}"`);
  return Number(text);
}

export class ApiServer {
  #pages = new Map(); // continue tokens: what is still to come
  #lastPage = 0;

  /**
   * @param {object} options
   * @param {import('./store.js').Store} options.store
   * @param {import('./podlogs.js').PodLogs} options.logs
   * @param {import('./faults.js').Faults} options.faults
   * @param {import('./counters.js').Counters} options.counters
   * @param {import('./access.js').Access} options.access
   * @param {boolean} options.watchList  whether a watch may begin with the state (sendInitialEvents)
   */
  constructor({ store, logs, faults, counters, access, watchList = false }) {
    Object.assign(this, { store, logs, faults, counters, access, watchList });
  }

  /** The handler for node:http and node:https. */
  get handler() {
    return (request, response) => {
      this.#handle(request, response).catch((error) => {
        process.stderr.write(`kubesim: ${request.method} ${request.url}: ${error.stack}\n`);
        reset(response);
      });
    };
  }

  async #handle(request, response) {
    const url = new URL(request.url, 'http://kubesim');
    const target = resolvePath(this.store.types, url.pathname);
    const entry = {
      at: Date.now(),
      method: request.method,
      path: request.url,
      verb: verbOf(request.method, target, url.searchParams),
      resource: target?.type.plural ?? '',
      agent: request.headers['user-agent'] ?? '',
    };
    response.on('close', () => this.counters.answered(entry, response.headersSent ? response.statusCode : 0));
    const encoding = chooseEncoding(
      request.headers.accept,
      target ? !target.type.custom && knows(target.type.kind) : true,
    );
    const context = { request, response, url, query: url.searchParams, target, entry, encoding };
    this.counters.request(entry);
    try {
      await this.#answer(context);
    } catch (error) {
      this.#fail(context, error);
    }
  }

  #fail({ response, encoding = defaultEncoding }, error) {
    const known = error instanceof SelectorError ? new StatusError(400, error.message) : error;
    if (!(known instanceof StatusError) || response.headersSent) throw error;
    const body = encoding.status(known.status);
    response.writeHead(known.code, {
      'content-type': encoding.contentType,
      'content-length': body.length,
      ...(known.retryAfter !== undefined && { 'retry-after': String(known.retryAfter) }),
    });
    response.end(body);
  }

  async #answer(context) {
    const { request, response, url, target, entry, encoding } = context;
    const fault = this.faults.forRequest(entry);
    if (fault && (await this.#befall(context, fault))) return;
    const refused = this.access.check(request);
    if (refused && !OPEN_PATHS.includes(url.pathname)) throw refused;
    if (!target) {
      this.#answerOther(response, url.pathname);
      return;
    }
    if (!encoding) {
      throw new StatusError(
        406,
        'only the following media types are accepted: application/json, application/yaml, ' +
          'application/vnd.kubernetes.protobuf',
      );
    }
    switch (entry.verb) {
      case 'list':
        await this.#list(context, fault);
        break;
      case 'watch':
        this.#watch(context, fault);
        break;
      case 'get':
        this.#sendObject(response, 200, encoding, this.#find(target));
        break;
      case 'log':
        this.#log(context);
        break;
      case 'other':
        throw new StatusError(405, 'the server does not allow this method on the requested resource');
      default: {
        const { status, object } = await applyWrite(this.store, entry.verb, target, request, context.query);
        this.#sendObject(response, status, encoding, object);
      }
    }
  }

  /** @returns {Promise<boolean>} whether the request has got its answer with this */
  async #befall({ response, encoding = defaultEncoding, entry }, fault) {
    if (['slow', 'truncate'].includes(fault.action)) return false;
    this.counters.faultMet(fault);
    switch (fault.action) {
      case 'delay':
        await new Promise((resolve) => setTimeout(resolve, fault.delayMs));
        return false;
      case 'status':
        throw fault.reason === 'ResourceVersionTooLarge' || (fault.status === 504 && !fault.reason)
          ? tooLarge(0, 0)
          : new StatusError(fault.status, fault.message ?? this.#forbidden(entry, fault), fault);
      case 'close':
        reset(response);
        break;
      case 'garbage': {
        const body = new Body(response);
        response.writeHead(200, { 'content-type': encoding.contentType });
        body.write(Buffer.from('k8s\0\xff\xff\xff\xff{"kind":"PodList","items":[{]]\x80\x80\x80', 'latin1'));
        body.end();
        break;
      }
      default: // hang: neither answer nor end
    }
    return true;
  }

  #forbidden({ verb, resource }, { status }) {
    if (status !== 403) return undefined;
    return `${resource} is forbidden: User "${this.access.user}" cannot ${verb} resource "${resource}" at the cluster scope`;
  }

  #answerOther(response, path) {
    if (path === '/version') {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(VERSION));
    } else if (OPEN_PATHS.includes(path)) {
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.end('ok');
    } else {
      throw new StatusError(404, 'the server could not find the requested resource');
    }
  }

  #find({ type, namespace, name }) {
    const object = this.store.collection(type).objects.get(type.namespaced ? `${namespace}/${name}` : name);
    if (!object) throw notFound(type, name);
    return object;
  }

  #sendObject(response, status, encoding, object) {
    const body = encoding.object(object);
    response.writeHead(status, { 'content-type': encoding.contentType, 'content-length': body.length });
    response.end(body);
  }

  async #list({ response, query, target, encoding }, fault) {
    const { objects, meta } = this.#page(query, target);
    const pieces = encoding.list(target.type, objects, meta);
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    response.writeHead(200, { 'content-type': encoding.contentType, 'content-length': length });
    const body = new Body(response, fault);
    if (fault) this.counters.faultMet(fault);
    if (fault?.action === 'truncate') {
      body.write(Buffer.concat(pieces).subarray(0, length >> 1));
      await body.abort();
      return;
    }
    await body.writeAll(pieces);
    body.end();
  }

  /** The objects of one answer and its ListMeta. */
  #page(query, { type, namespace, name }) {
    const collection = this.store.collection(type);
    const limit = positiveInteger(query, 'limit');
    const token = query.get('continue');
    if (token) return this.#nextPage(token, limit);
    const wanted = query.get('resourceVersion') ?? '';
    this.#checkListVersion(collection, wanted, query.get('resourceVersionMatch'));
    const selects = makeSelector(type, { namespace, name, query });
    const objects = collection.sorted().filter((object) => selects(object.json));
    if (!limit || wanted === '0') return { objects, meta: listMeta(collection.version) }; // the cache ignores limit
    return this.#cut(objects, collection.version, limit);
  }

  #checkListVersion(collection, wanted, match) {
    if (!wanted || wanted === '0') return;
    const version = Number(wanted);
    if (!Number.isInteger(version)) throw new StatusError(400, `resourceVersion: Invalid value: "${wanted}"`);
    if (version > collection.version) throw tooLarge(version, collection.version);
    if (match === 'Exact' && version !== collection.version) throw tooOld(version, collection.version);
  }

  #cut(objects, version, limit) {
    const rest = objects.slice(limit);
    if (rest.length === 0) return { objects, meta: listMeta(version) };
    const token = Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', page: ++this.#lastPage })).toString('base64url');
    this.#pages.set(token, { rest, version });
    return { objects: objects.slice(0, limit), meta: listMeta(version, token, rest.length) };
  }

  #nextPage(token, limit) {
    const page = this.#pages.get(token);
    if (!page) {
      throw new StatusError(410, 'The provided continue parameter is too old to display a consistent list result.');
    }
    return limit ? this.#cut(page.rest, page.version, limit) : { objects: page.rest, meta: listMeta(page.version) };
  }

  /** Continue tokens given so far are too old from now on. */
  expirePages() {
    this.#pages.clear();
  }

  #watch({ response, query, target, encoding, entry }, fault) {
    const { type, namespace, name } = target;
    const collection = this.store.collection(type);
    const selects = makeSelector(type, { namespace, name, query });
    const wanted = query.get('resourceVersion') ?? '';
    const markEnd = query.get('sendInitialEvents') === 'true';
    if (markEnd && !this.watchList) {
      throw new StatusError(
        422,
        'ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: ' +
          'sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled',
      );
    }
    const version = Number(wanted);
    if (!Number.isInteger(version)) throw new StatusError(400, `resourceVersion: Invalid value: "${wanted}"`);
    const timeoutSeconds = positiveInteger(query, 'timeoutSeconds') || SHORTEST_TIMEOUT_S * (1 + Math.random());
    const stream = new WatchStream({
      collection,
      selects,
      encoding,
      response,
      bookmarks: ['1', 'true'].includes(query.get('allowWatchBookmarks')),
      fault: this.faults.forWatch(entry),
      bytesPerSecond: fault?.bytesPerSecond,
      timeoutMs: timeoutSeconds * 1000,
      counters: this.counters,
    });
    if (fault) this.counters.faultMet(fault);
    stream.start({ state: markEnd || version === 0, after: version, markEnd });
  }

  #log({ response, query, target }) {
    const pod = this.#find(target).json;
    const names = ['initContainers', 'containers', 'ephemeralContainers'].flatMap((list) =>
      (pod.spec[list] ?? []).map(({ name }) => name),
    );
    const [only] = pod.spec.containers.length === 1 ? [pod.spec.containers[0].name] : [];
    const container = query.get('container') || only;
    if (!container) {
      throw new StatusError(
        400,
        `a container name must be specified for pod ${target.name}, ` + `choose one of: [${names.join(' ')}]`,
      );
    }
    if (!names.includes(container)) {
      throw new StatusError(400, `container ${container} is not valid for pod ${target.name}`);
    }
    const instance = loggedInstance(pod, container, query.get('previous') === 'true');
    if (instance.problem) throw new StatusError(400, instance.problem);
    const lines = this.logs.lines(pod.metadata.uid, container, instance.attempt);
    response.writeHead(200, { 'content-type': 'text/plain' });
    if (!lines) {
      // The kubelet answers so, with 200, when the runtime has deleted the file.
      response.end(`unable to retrieve container logs for ${instance.containerID}`);
      return;
    }
    response.end(
      renderLog(lines, {
        tailLines: positiveInteger(query, 'tailLines'),
        limitBytes: positiveInteger(query, 'limitBytes'),
        timestamps: query.get('timestamps') === 'true',
      }),
    );
  }
}
