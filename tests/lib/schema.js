/** As much of OpenAPI 3.0's schemas as openapi.json uses; anything else in it is an error, so that nothing goes unchecked. */

const KNOWN = new Set([
  '$ref', 'allOf', 'type', 'format', 'enum', 'items', 'properties', 'required', 'additionalProperties', 'nullable', 'minimum',
  'maximum', 'default', 'pattern', 'description', 'maxLength', 'minItems', 'maxItems',
]);

const typeOf = (value) => {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return Number.isInteger(value) ? 'integer' : typeof value;
};

/**
 * What is wrong with a value, each with its place; empty when nothing is.
 * @param {object} document the whole of openapi.json, for its references
 * @returns {string[]}
 */
export function violations(document, schema, value, where = '$') {
  const unknown = Object.keys(schema).filter((key) => !KNOWN.has(key));
  if (unknown.length > 0) throw new Error(`openapi.json: ${where} uses ${unknown}, which is not checked here`);
  if (schema.$ref) {
    const target = schema.$ref.slice(2).split('/').reduce((node, key) => node?.[key], document);
    return target ? violations(document, target, value, where) : [`${where}: ${schema.$ref} is not there`];
  }
  if (value === null) return schema.nullable ? [] : [`${where}: null`];
  if (schema.allOf) return schema.allOf.flatMap((part) => violations(document, part, value, where));
  const type = typeOf(value);
  if (schema.type && type !== schema.type && !(schema.type === 'number' && type === 'integer')) {
    return [`${where}: ${type} instead of ${schema.type}`];
  }
  if (schema.enum && !schema.enum.includes(value)) return [`${where}: ${JSON.stringify(value)} is none of ${schema.enum}`];
  if (schema.format === 'date-time' && !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(value)) {
    return [`${where}: ${value} is no RFC 3339 time in UTC`];
  }
  if (schema.minimum !== undefined && value < schema.minimum) return [`${where}: ${value} < ${schema.minimum}`];
  if (schema.maximum !== undefined && value > schema.maximum) return [`${where}: ${value} > ${schema.maximum}`];
  if (schema.pattern && !new RegExp(schema.pattern).test(value)) return [`${where}: ${value} !~ ${schema.pattern}`];
  if (schema.maxLength !== undefined && value.length > schema.maxLength) return [`${where}: longer than ${schema.maxLength}`];
  if (type === 'array' && (value.length < (schema.minItems ?? 0) || value.length > (schema.maxItems ?? Infinity))) {
    return [`${where}: ${value.length} items`];
  }
  if (type === 'array') return value.flatMap((item, i) => violations(document, schema.items, item, `${where}[${i}]`));
  if (type !== 'object' || !schema.properties) return [];
  return [
    ...(schema.required ?? []).filter((key) => !(key in value)).map((key) => `${where}.${key} is missing`),
    ...Object.entries(value).flatMap(([key, item]) => {
      if (schema.properties[key]) return violations(document, schema.properties[key], item, `${where}.${key}`);
      return schema.additionalProperties === false ? [`${where}.${key} is not described`] : [];
    }),
  ];
}
