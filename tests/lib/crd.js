/**
 * As much of YAML and of Kubernetes' structural schemas as deploy/manifests/base/apimonitor-crd.yaml uses; anything else
 * in it is an error, so that nothing goes unchecked. Rules in CEL are not evaluated.
 */

const unquote = (text) => {
  if (text.startsWith("'")) return text.slice(1, -1).replaceAll("''", "'");
  if (text === '{}') return {};
  if (text.startsWith('[')) return text.slice(1, -1).split(', ').map(unquote);
  if (text === 'true' || text === 'false') return text === 'true';
  return /^-?\d+$/.test(text) ? Number(text) : text;
};

/** @param {string} text blocks of keys and lists, scalars in one line or folded (>-) @returns {object} */
export function parseYaml(text) {
  const lines = text
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.trimStart().startsWith('#'))
    .map((line) => ({ indent: line.search(/\S/), text: line.trim() }));
  let at = 0;

  const block = (indent) => (lines[at].text.startsWith('- ') ? list(indent) : object(indent));

  const list = (indent) => {
    const items = [];
    while (at < lines.length && lines[at].indent === indent && lines[at].text.startsWith('- ')) {
      const rest = lines[at].text.slice(2);
      if (/^[\w-]+:( |$)/.test(rest)) {
        lines[at] = { indent: indent + 2, text: rest };
        items.push(object(indent + 2));
      } else {
        items.push(unquote(rest));
        at++;
      }
    }
    return items;
  };

  const folded = (indent) => {
    const parts = [];
    while (at < lines.length && lines[at].indent > indent) parts.push(lines[at++].text);
    return parts.join(' ');
  };

  const object = (indent) => {
    const members = {};
    while (at < lines.length && lines[at].indent === indent && !lines[at].text.startsWith('- ')) {
      const match = /^([\w-]+):(?: (.*))?$/.exec(lines[at].text);
      if (!match) throw new Error(`YAML that is not read here: ${lines[at].text}`);
      const [, key, value] = match;
      if (key in members) throw new Error(`YAML with ${key} twice`);
      at++;
      if (value === '>-') members[key] = folded(indent);
      else if (value === undefined) members[key] = block(lines[at].indent);
      else members[key] = unquote(value);
    }
    return members;
  };

  const root = object(0);
  if (at !== lines.length) throw new Error(`YAML that is not read here: ${lines[at].text}`);
  return root;
}

const KNOWN = new Set([
  'description', 'type', 'default', 'required', 'properties', 'items', 'enum', 'pattern', 'format', 'nullable', 'minimum',
  'maximum', 'minLength', 'maxLength', 'minItems', 'maxItems', 'minProperties', 'maxProperties', 'x-kubernetes-validations',
  'x-kubernetes-list-type', 'x-kubernetes-list-map-keys', 'x-kubernetes-int-or-string', 'x-kubernetes-preserve-unknown-fields',
]);

/** Every schema in it, with its place. @returns {[string, object][]} */
export function nodes(schema, where = 'spec') {
  return [
    [where, schema],
    ...Object.entries(schema.properties ?? {}).flatMap(([key, item]) => nodes(item, `${where}.${key}`)),
    ...(schema.items ? nodes(schema.items, `${where}[]`) : []),
  ];
}

/** What the API server stores: defaults filled in, nulls left out. */
export function withDefaults(schema, value) {
  if (Array.isArray(value)) return value.map((item) => withDefaults(schema.items, item));
  if (value === null || typeof value !== 'object' || !schema.properties) return value;
  const filled = {};
  for (const [key, item] of Object.entries(schema.properties)) {
    const written = value[key] === null && !item.nullable ? undefined : value[key];
    const present = written === undefined ? item.default : written;
    if (present !== undefined) filled[key] = withDefaults(item, present);
  }
  for (const key of Object.keys(value)) if (!(key in schema.properties)) filled[key] = value[key];
  return filled;
}

const characters = (text) => [...text].length;

function scalarViolations(schema, value, where) {
  const wrong = (holds, what) => (holds ? [] : [`${where}: ${JSON.stringify(value)} ${what}`]);
  if (typeof value === 'number') {
    return [
      ...wrong(schema.minimum === undefined || value >= schema.minimum, 'is too low'),
      ...wrong(schema.maximum === undefined || value <= schema.maximum, 'is too high'),
    ];
  }
  if (typeof value !== 'string') return [];
  return [
    ...wrong(!schema.enum || schema.enum.includes(value), 'is not in the list'),
    ...wrong(!schema.pattern || new RegExp(schema.pattern, 'u').test(value), 'does not match'),
    ...wrong(characters(value) >= (schema.minLength ?? 0), 'is too short'),
    ...wrong(characters(value) <= (schema.maxLength ?? Infinity), 'is too long'),
  ];
}

function isOfType(schema, value) {
  if (schema['x-kubernetes-preserve-unknown-fields']) return true;
  if (schema['x-kubernetes-int-or-string']) return typeof value === 'string' || Number.isInteger(value);
  if (value === null) return schema.nullable === true;
  if (schema.type === 'integer') return Number.isInteger(value);
  if (schema.type === 'array') return Array.isArray(value);
  return typeof value === schema.type && !Array.isArray(value);
}

/**
 * What is wrong with a value, each with its place; empty when nothing is.
 * @returns {string[]}
 */
export function violations(schema, value, where = 'spec') {
  const unknown = Object.keys(schema).filter((key) => !KNOWN.has(key));
  if (unknown.length > 0) throw new Error(`${where} uses ${unknown}, which is not checked here`);
  if (!isOfType(schema, value)) return [`${where}: ${JSON.stringify(value)} is of the wrong type`];
  if (Array.isArray(value) && schema.items) {
    const count = value.length;
    const fits = count >= (schema.minItems ?? 0) && count <= (schema.maxItems ?? Infinity);
    return [
      ...(fits ? [] : [`${where}: ${count} items`]),
      ...value.flatMap((item, i) => violations(schema.items, item, `${where}[${i}]`)),
    ];
  }
  if (value === null || typeof value !== 'object' || !schema.properties) return scalarViolations(schema, value, where);
  const count = Object.keys(value).length;
  const fits = count >= (schema.minProperties ?? 0) && count <= (schema.maxProperties ?? Infinity);
  return [
    ...(fits ? [] : [`${where}: ${count} members`]),
    ...(schema.required ?? []).filter((key) => !(key in value)).map((key) => `${where}.${key} is missing`),
    ...Object.entries(value).flatMap(([key, item]) =>
      schema.properties[key] ? violations(schema.properties[key], item, `${where}.${key}`) : [`${where}.${key} is not known`],
    ),
  ];
}
