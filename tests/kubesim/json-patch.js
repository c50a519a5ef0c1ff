/** JSON Patch, RFC 6902, and what the API server does beside: who changed a template, and that the spec is another one. */
import { StatusError } from './status.js';

const TEMPLATE_GENERATION = 'deprecated.daemonset.template.generation';

const segmentsOf = (pointer) =>
  pointer
    .split('/')
    .slice(1)
    .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'));

const refused = (path) =>
  new StatusError(422, `the server rejected our request due to an error in our request: ${path}`);

function apply(target, { op, path, value }) {
  const segments = segmentsOf(path);
  const last = segments.pop();
  let parent = target;
  for (const segment of segments) {
    parent = parent?.[segment];
    if (parent === null || typeof parent !== 'object') throw refused(path);
  }
  if (['replace', 'remove', 'test'].includes(op) && !(last in parent)) throw refused(path);
  if (op === 'test' && JSON.stringify(parent[last]) !== JSON.stringify(value)) throw refused(path);
  if (op === 'remove') delete parent[last];
  else if (op === 'add' || op === 'replace') parent[last] = value;
  else if (op !== 'test') throw new StatusError(400, `operation "${op}" is none that kubesim knows`);
}

/** Objects only: a list's elements are not named here. */
export function jsonPatched(current, operations) {
  const target = structuredClone(current);
  for (const operation of operations) apply(target, operation);
  return target;
}

/** The server's own fields after a spec was changed by `manager`. */
export function withSpecChange(type, current, next, manager) {
  const differs = (part) => JSON.stringify(part(current)) !== JSON.stringify(part(next));
  if (!differs(({ spec }) => spec)) return next;
  const { metadata } = next;
  const result = { ...next, metadata: { ...metadata, generation: (metadata.generation ?? 0) + 1 } };
  if (!differs(({ spec }) => spec.template)) return result;
  if (type.kind === 'DaemonSet') {
    const generation = String(Number(metadata.annotations?.[TEMPLATE_GENERATION] ?? 0) + 1);
    result.metadata.annotations = { ...metadata.annotations, [TEMPLATE_GENERATION]: generation };
  }
  result.metadata.managedFields = [
    ...(metadata.managedFields ?? []).filter((entry) => entry.manager !== manager),
    {
      manager,
      operation: 'Update',
      apiVersion: type.apiVersion,
      time: new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
      fieldsType: 'FieldsV1',
      fieldsV1: { 'f:spec': { 'f:template': { 'f:spec': {} } } },
    },
  ];
  return result;
}
