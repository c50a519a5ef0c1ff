/** Field and label selectors, as the API server reads them. */

export class SelectorError extends Error {}

function fieldValue(object, path) {
  let value = object;
  for (const name of path.split('.')) value = value?.[name];
  return value === undefined ? '' : String(value);
}

function parseFields(text, allowed) {
  return text
    .split(',')
    .filter(Boolean)
    .map((part) => {
      const match = /^([^=!]+)(==|=|!=)(.*)$/.exec(part);
      if (!match) throw new SelectorError(`invalid selector: '${part}'; can't understand '${part}'`);
      const [, path, operator, wanted] = match;
      if (!allowed.includes(path)) throw new SelectorError(`field label not supported: ${path}`);
      return (object) => (fieldValue(object, path) === wanted) === (operator !== '!=');
    });
}

function parseLabel(part) {
  const set = /^(\S+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(part);
  if (set) {
    const [, key, operator, list] = set;
    const values = list.split(',').map((value) => value.trim());
    return (labels) => values.includes(labels[key]) === (operator === 'in');
  }
  const equality = /^([^=!\s]+)\s*(==|=|!=)\s*(\S*)$/.exec(part);
  if (equality) {
    const [, key, operator, value] = equality;
    return (labels) => (labels[key] === value) === (operator !== '!=');
  }
  const existence = /^(!?)\s*([^=!\s]+)$/.exec(part);
  if (existence) return (labels) => Object.hasOwn(labels, existence[2]) === (existence[1] === '');
  throw new SelectorError(`unable to parse requirement: ${part}`);
}

function parseLabels(text) {
  const parts = text.match(/[^,(]*(\([^)]*\))?[^,]*/g) ?? [];
  return parts
    .map((part) => part.trim())
    .filter(Boolean)
    .map(parseLabel);
}

/**
 * What a request asked for.
 * @param {import('./resources.js').ResourceType} type
 * @param {{namespace: string, name?: string, query: URLSearchParams}} request
 * @returns {(json: object) => boolean}
 */
export function makeSelector(type, { namespace, name = '', query }) {
  const byField = parseFields(query.get('fieldSelector') ?? '', type.fields);
  const byLabel = parseLabels(query.get('labelSelector') ?? '');
  return (json) =>
    (!namespace || json.metadata.namespace === namespace) &&
    (!name || json.metadata.name === name) &&
    byField.every((matches) => matches(json)) &&
    byLabel.every((matches) => matches(json.metadata.labels ?? {}));
}
