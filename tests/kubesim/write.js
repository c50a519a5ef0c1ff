/** The verbs that write: create, update, patch (as a merge, by JSON Patch, or applied by the server) and delete, in JSON. */
import { randomUUID } from 'node:crypto';
import { readJson } from '../lib/http.js';
import { jsonPatched, withSpecChange } from './json-patch.js';
import { notFound, StatusError } from './status.js';
import { KubeObject } from './store.js';

/** JSON merge patch, RFC 7396. */
function merged(target, patch) {
  if (patch === null || typeof patch !== 'object' || Array.isArray(patch)) return patch;
  const result = target !== null && typeof target === 'object' && !Array.isArray(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merged(result[key], value);
  }
  return result;
}

/** The API server's own fields in a new object. */
function withServerFields({ type, namespace }, json) {
  const { generateName } = json.metadata ?? {};
  const name = json.metadata?.name ?? (generateName && generateName + randomUUID().slice(0, 5));
  if (!name) throw new StatusError(422, `${type.kind} "" is invalid: metadata.name: Required value`);
  return {
    ...json,
    metadata: {
      uid: randomUUID(),
      creationTimestamp: new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
      ...json.metadata,
      name,
      ...(type.namespaced && { namespace: namespace || json.metadata.namespace || 'default' }),
    },
  };
}

function checkVersion({ type, name }, current, json) {
  const expected = json.metadata?.resourceVersion;
  if (!expected || expected === current.meta.resourceVersion) return;
  throw new StatusError(
    409,
    `Operation cannot be fulfilled on ${type.plural} "${name}": the object has been modified; ` +
      'please apply your changes to the latest version and try again',
  );
}

/**
 * Server-side apply, as far as one manager's own fields go: what it applied before and leaves out now is gone, and nobody
 * else's field is touched. https://kubernetes.io/docs/reference/using-api/server-side-apply/
 */
function applied({ type, name }, current, json, query) {
  const manager = query.get('fieldManager');
  if (!manager) {
    throw new StatusError(422, 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch');
  }
  const { metadata = {} } = json;
  if (json.apiVersion !== type.apiVersion || json.kind !== type.kind || metadata.name !== name) {
    throw new StatusError(400, 'apiVersion, kind and metadata.name of an applied object must be those of the request');
  }
  if (metadata.managedFields) throw new StatusError(422, 'metadata.managedFields must be nil');
  const { apiVersion: _apiVersion, kind: _kind, metadata: _metadata, ...fields } = json;
  const result = { ...current.json };
  for (const [key, value] of Object.entries(fields)) result[key] = value;
  return result;
}

/** What the patch makes of the object. */
function patched(target, current, json, request, query) {
  const contentType = request.headers['content-type'] ?? '';
  if (/^application\/apply-patch\+yaml/.test(contentType)) return applied(target, current, json, query);
  if (!/^application\/json-patch\+json/.test(contentType)) return merged(current.json, json);
  const next = jsonPatched(current.json, json);
  checkVersion(target, current, next);
  return withSpecChange(target.type, current.json, next, query.get('fieldManager') ?? 'unknown');
}

/** What a request to `/status` may change, and what one to the object itself may not. */
function withinSubresource(target, current, next) {
  if (target.subresource === 'status') return { ...current.json, status: next.status };
  if (target.type.custom) return { ...next, status: current.json.status };
  return next;
}

/**
 * @param {import('./store.js').Store} store
 * @param {'create' | 'update' | 'patch' | 'delete'} verb
 * @param {{type: object, namespace: string, name: string}} target
 * @param {import('node:http').IncomingMessage} request
 * @param {URLSearchParams} query
 * @returns {Promise<{status: number, object: import('./store.js').KubeObject}>}
 */
export async function applyWrite(store, verb, target, request, query) {
  const { type, namespace, name } = target;
  const json = await readJson(request).catch((error) => {
    throw new StatusError(400, `the body is no JSON: ${error.message}`);
  });
  const { objects } = store.collection(type);
  const keyOf = (key) => (type.namespaced ? `${namespace}/${key}` : key);
  if (verb === 'create') {
    const made = withServerFields(target, json);
    if (objects.has(keyOf(made.metadata.name))) {
      throw new StatusError(409, `${type.plural} "${made.metadata.name}" already exists`, { reason: 'AlreadyExists' });
    }
    return { status: 201, object: store.write('ADDED', type, made) };
  }
  const current = objects.get(keyOf(name));
  if (!current) throw notFound(type, name);
  if (verb === 'delete') return { status: 200, object: store.write('DELETED', type, current.json) };
  checkVersion(target, current, json);
  if (verb === 'patch') {
    const next = withinSubresource(target, current, patched(target, current, json, request, query));
    const isDryRun = query.get('dryRun') === 'All';
    return { status: 200, object: isDryRun ? new KubeObject(type, next) : store.write('MODIFIED', type, next) };
  }
  const { name: sameName, namespace: sameNamespace, uid, creationTimestamp } = current.meta;
  const metadata = { ...json.metadata, name: sameName, namespace: sameNamespace, uid, creationTimestamp };
  const next = withinSubresource(target, current, { ...json, metadata });
  return { status: 200, object: store.write('MODIFIED', type, next) };
}
