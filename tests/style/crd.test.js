/**
 * The ApiMonitor resource accepts what common/probe/spec.c accepts, as far as a schema can, and fills in what that takes
 * for granted. tests/unit/probe/test_spec.c holds the parser against the same specs.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { nodes, parseYaml, violations, withDefaults } from '../lib/crd.js';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../..');
const read = (name) => fs.readFileSync(path.join(root, name), 'utf8');
const specs = (name) => JSON.parse(read(`tests/unit/probe/specs/${name}.json`));
const crd = parseYaml(read('deploy/manifests/base/apimonitor-crd.yaml'));
const schema = crd.spec.versions[0].schema.openAPIV3Schema.properties.spec;

test('specs that are right are accepted', () => {
  for (const [name, spec] of Object.entries(specs('good'))) {
    assert.deepEqual(violations(schema, withDefaults(schema, spec)), [], name);
  }
});

test('specs that are wrong are refused where the schema can say so', () => {
  for (const { name, spec, by } of specs('bad')) {
    assert.match(by, /^(schema|rule|parser)$/, name);
    const found = violations(schema, withDefaults(schema, spec));
    assert.equal(found.length > 0, by === 'schema', `${name}: ${found}`);
  }
});

test('what is left out is stored as the API server was seen to do', () => {
  const stored = specs('defaulted');
  for (const [name, spec] of Object.entries(specs('good'))) {
    assert.deepEqual(withDefaults(schema, spec), stored[name], name);
  }
});

test('every field is explained, typed and bounded', () => {
  for (const [where, node] of nodes(schema)) {
    assert.ok(node.description, `${where} has no description`);
    const free = node['x-kubernetes-int-or-string'] || node['x-kubernetes-preserve-unknown-fields'];
    assert.ok(node.type || free, `${where} has no type`);
    if (node.type === 'array') assert.ok(node.maxItems, `${where} has no maxItems`);
    if (node.type === 'string') assert.ok(node.maxLength || node.enum, `${where} has no maxLength`);
    if (node.type === 'object') assert.ok(node.properties, `${where} has no properties`);
  }
});

test('steps and finally take the same', () => {
  assert.deepEqual(schema.properties.finally.items, schema.properties.steps.items);
});

test('each rule has a message, and none matches patterns, which costs most', () => {
  const rules = nodes(schema).flatMap(([where, node]) =>
    (node['x-kubernetes-validations'] ?? []).map((rule) => [where, rule]),
  );
  assert.ok(rules.length > 0);
  for (const [where, rule] of rules) {
    assert.deepEqual(Object.keys(rule), ['rule', 'message'], where);
    assert.ok(!rule.rule.includes('matches('), where);
  }
});
