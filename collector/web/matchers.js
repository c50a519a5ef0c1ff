// Matchers of silences as people write them, the way Alertmanager has them: namespace="shop", workload=~"web-.*"

export const LABELS = ['kind', 'severity', 'cluster', 'project', 'namespace', 'workload', 'service', 'pod', 'container', 'node', 'reason', 'group'];

const OPERATORS = { '=': { isEqual: true, isRegex: false }, '!=': { isEqual: false, isRegex: false }, '=~': { isEqual: true, isRegex: true }, '!~': { isEqual: false, isRegex: true } };
const ONE = /^\s*([A-Za-z_]\w*)\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|([^",\s]*))\s*(?:,|$)/;

/**
 * @returns {{name: string, value: string, isRegex: boolean, isEqual: boolean}[]}
 * @throws {SyntaxError} with what cannot be read
 */
export function parseMatchers(words) {
  const found = [];
  let rest = words.trim().replace(/^\{(.*)\}$/s, '$1');
  while (rest.trim()) {
    const match = ONE.exec(rest);
    if (!match) throw new SyntaxError(rest.trim());
    const [all, name, operator, quoted, plain] = match;
    found.push({ name, value: quoted === undefined ? plain : quoted.replace(/\\(["\\])/g, '$1'), ...OPERATORS[operator] });
    rest = rest.slice(all.length);
  }
  return found;
}

/** As parseMatchers() reads them. */
export function matchersText(matchers) {
  return matchers.map(({ name, value, isRegex = false, isEqual = true }) => {
    const [operator] = Object.entries(OPERATORS).find(([, its]) => its.isRegex === isRegex && its.isEqual === isEqual);
    return `${name}${operator}"${value.replace(/["\\]/g, '\\$&')}"`;
  }).join(', ');
}

/** What silences an incident's workload, in general. */
export const matchersOf = ({ namespace, workload, workloadKind, kind }) => matchersText([
  ...(namespace ? [{ name: 'namespace', value: namespace }] : []),
  { name: workloadKind === 'Service' ? 'service' : workloadKind === 'Node' ? 'node' : 'workload', value: workload },
  ...(kind ? [{ name: 'kind', value: kind }] : [])]);
