import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, post, startKubesim } from './testing.js';

const PATH = '/apis/apps/v1/namespaces/shop/daemonsets';

function patch(api, query, operations) {
  const headers = { 'content-type': 'application/json-patch+json' };
  return ask(`${api}${PATH}/log?fieldManager=tester${query}`, { method: 'PATCH', headers, body: JSON.stringify(operations) });
}

test('a JSON patch changes what it names, a dry run nothing, and an old version is refused', async (t) => {
  const { api } = await startKubesim(t, ['--generate', 'pods=1,nodes=1']);
  const made = await post(`${api}${PATH}`, { metadata: { name: 'log', generation: 1, annotations: {} }, spec: { template: { spec: { hostPID: true } } } });
  const version = { op: 'replace', path: '/metadata/resourceVersion', value: made.json.metadata.resourceVersion };
  const change = [
    version,
    { op: 'replace', path: '/spec/template', value: { spec: {} } },
    { op: 'add', path: '/metadata/annotations/a.b~1c', value: 'x' },
  ];
  const dry = await patch(api, '&dryRun=All', change);
  assert.equal(dry.status, 200);
  assert.deepEqual(dry.json.spec.template, { spec: {} });
  assert.deepEqual((await ask(`${api}${PATH}/log`)).json.spec.template, { spec: { hostPID: true } });

  const { status, json } = await patch(api, '', change);
  assert.equal(status, 200);
  assert.deepEqual(json.spec.template, { spec: {} });
  assert.equal(json.metadata.generation, 2);
  assert.equal(json.metadata.annotations['a.b/c'], 'x');
  assert.equal(json.metadata.annotations['deprecated.daemonset.template.generation'], '1');
  assert.deepEqual(json.metadata.managedFields.map(({ manager }) => manager), ['tester']);

  assert.equal((await patch(api, '', change)).status, 409);
  assert.equal((await patch(api, '', [{ op: 'remove', path: '/spec/nothing' }])).status, 422);
});
