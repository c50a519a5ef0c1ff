/** Settings as a YAML file: nested objects, lists, and values written as JSON, which YAML reads. */

const isPlain = (value) => value !== null && typeof value === 'object';

/** @param {object} value @returns {string} */
export function toYaml(value, indent = '') {
  if (Array.isArray(value)) {
    return value
      .map((item) =>
        isPlain(item) && !Array.isArray(item)
          ? `${indent}- ${toYaml(item, `${indent}  `).trimStart()}`
          : `${indent}- ${JSON.stringify(item)}\n`,
      )
      .join('');
  }
  return Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .map(([key, item]) => {
      if (!isPlain(item)) return `${indent}${key}: ${JSON.stringify(item)}\n`;
      if (Object.keys(item).length === 0) return `${indent}${key}: ${Array.isArray(item) ? '[]' : '{}'}\n`;
      return `${indent}${key}:\n${toYaml(item, `${indent}  `)}`;
    })
    .join('');
}

/** `extra` laid over `base`, section by section; lists and values are replaced. */
export function merge(base, extra = {}) {
  const merged = { ...base };
  for (const [key, value] of Object.entries(extra)) {
    merged[key] = isPlain(value) && !Array.isArray(value) ? merge(merged[key] ?? {}, value) : value;
  }
  return merged;
}
