import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { field, fields, textAt } from '../lib/protobuf.js';
import { openEnvelope } from './proto/codec.js';
import { makeSelector } from './selectors.js';
import { ask, post, PROTOBUF, RECORDING, startKubesim, take, watch } from './testing.js';

const generated = (spec, ...more) => ['--generate', spec, '--start', 'control', ...more];

test('a list comes in pages that show one moment', async (t) => {
  const { api, control } = await startKubesim(t, generated('pods=25,size=2500'));
  const names = [];
  const versions = new Set();
  let token = '';
  do {
    const { json } = await ask(`${api}/api/v1/pods?limit=10&continue=${token}`);
    names.push(...json.items.map(({ metadata }) => metadata.name));
    versions.add(json.metadata.resourceVersion);
    token = json.metadata.continue ?? '';
    await post(`${control}/kubesim/crash`, { restartAfter: 0 });
  } while (token);
  assert.equal(new Set(names).size, 25);
  assert.equal(versions.size, 1);
  const first = await ask(`${api}/api/v1/pods?limit=10`);
  assert.equal(first.json.metadata.remainingItemCount, 15);
  await post(`${control}/kubesim/compact`, {});
  const late = await ask(`${api}/api/v1/pods?limit=10&continue=${first.json.metadata.continue}`);
  assert.deepEqual([late.status, late.json.reason], [410, 'Expired']);
  assert.equal((await ask(`${api}/api/v1/pods?limit=10&resourceVersion=0`)).json.items.length, 25);
});

test('versions that are too old or too large are told as the API server does', async (t) => {
  const { api, control } = await startKubesim(t, generated('pods=3'));
  const { json } = await ask(`${api}/api/v1/pods`);
  const large = await ask(`${api}/api/v1/pods?resourceVersion=${Number(json.metadata.resourceVersion) + 1000}`);
  assert.equal(large.status, 504);
  assert.equal(large.json.details.causes[0].reason, 'ResourceVersionTooLarge');
  await post(`${control}/kubesim/crash`, { restartAfter: 0 });
  await post(`${control}/kubesim/compact`, { resource: 'pods' });
  const [event] = await take(watch(`${api}/api/v1/pods?resourceVersion=${json.metadata.resourceVersion}`), 1);
  assert.deepEqual([event.type, event.object.code], ['ERROR', 410]);
});

test('a watch from 0 begins with what there is; sendInitialEvents is refused unless it is on', async (t) => {
  const off = await startKubesim(t, generated('pods=3'));
  const state = await take(watch(`${off.api}/api/v1/pods?resourceVersion=0`), 3);
  assert.ok(state.every(({ type }) => type === 'ADDED'));
  const query = 'watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
  assert.equal((await ask(`${off.api}/api/v1/pods?${query}`)).status, 422);
  const on = await startKubesim(t, generated('pods=3', '--watch-list'));
  const events = await take(watch(`${on.api}/api/v1/pods?${query}`), 4);
  assert.equal(events[3].object.metadata.annotations['k8s.io/initial-events-end'], 'true');
});

test('metadata alone can be asked for, in both encodings', async (t) => {
  const { api } = await startKubesim(t, ['--recording', RECORDING, '--start', 'control']);
  const as = 'as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
  const url = `${api}/apis/apps/v1/namespaces/shop/replicasets`;
  const list = await ask(url, { headers: { accept: `application/json;${as.replace('Metadata;', 'MetadataList;')}` } });
  assert.equal(list.json.kind, 'PartialObjectMetadataList');
  assert.deepEqual(Object.keys(list.json.items[0]), ['metadata']);
  const { name, uid } = list.json.items[0].metadata;
  const proto = await ask(`${url}/${name}`, { headers: { accept: `${PROTOBUF};${as},${PROTOBUF}` } });
  const { kind, apiVersion, raw } = openEnvelope(proto.body);
  assert.deepEqual([kind, apiVersion], ['PartialObjectMetadata', 'meta.k8s.io/v1']);
  assert.deepEqual(
    [...fields(raw)].map(({ number }) => number),
    [1],
  );
  assert.equal(textAt(raw, [1, 5]), uid);
});

test('what does not exist is 404, a bad selector 400, an encoding that cannot be had 406', async (t) => {
  const { api } = await startKubesim(
    t,
    generated('pods=3', '--custom-resource', 'nightjar.dev/v1alpha1/apimonitors/ApiMonitor'),
  );
  assert.equal((await ask(`${api}/api/v1/namespaces/team-1/pods/nobody`)).json.reason, 'NotFound');
  assert.equal((await ask(`${api}/apis/unknown.dev/v1/things`)).status, 404);
  const bad = await ask(`${api}/api/v1/pods?fieldSelector=spec.colour%3Dred`);
  assert.deepEqual([bad.status, bad.json.message], [400, 'field label not supported: spec.colour']);
  const monitors = `${api}/apis/nightjar.dev/v1alpha1/apimonitors`;
  assert.equal((await ask(monitors, { headers: { accept: PROTOBUF } })).status, 406);
  assert.deepEqual((await ask(monitors, { headers: { accept: `${PROTOBUF},application/json` } })).json.items, []);
});

test('label selectors by equality, existence and sets', () => {
  const type = { fields: ['metadata.name'] };
  const matches = (labels, text) =>
    makeSelector(type, { namespace: '', query: new URLSearchParams({ labelSelector: text }) })({
      metadata: { labels },
    });
  assert.ok(matches({ app: 'web', tier: 'a' }, 'app=web,tier!=b'));
  assert.ok(matches({ app: 'web' }, 'app,!tier'));
  assert.ok(matches({ app: 'web' }, 'app in (web, db),tier notin (a,b)'));
  assert.ok(!matches({ app: 'web' }, 'app in (db)'));
  assert.ok(!matches(undefined, 'app'));
});

test('objects are created, changed and deleted through the API, and watches see it', async (t) => {
  const { api } = await startKubesim(t, generated('pods=1'));
  const leases = `${api}/apis/coordination.k8s.io/v1/namespaces/nightjar/leases`;
  const events = take(watch(`${leases}?resourceVersion=0`), 3);
  const made = await post(leases, { metadata: { name: 'leader' }, spec: { holderIdentity: 'a' } });
  assert.equal(made.status, 201);
  assert.equal((await post(leases, { metadata: { name: 'leader' } })).json.reason, 'AlreadyExists');
  const put = (body) => ask(`${leases}/leader`, { method: 'PUT', body: JSON.stringify(body) });
  const changed = await put({ ...made.json, spec: { holderIdentity: 'b' } });
  assert.equal(changed.json.spec.holderIdentity, 'b');
  assert.equal((await put({ ...made.json, spec: { holderIdentity: 'c' } })).json.reason, 'Conflict');
  await ask(`${leases}/leader`, { method: 'DELETE' });
  assert.deepEqual(
    (await events).map(({ type }) => type),
    ['ADDED', 'MODIFIED', 'DELETED'],
  );
});

test('over TLS only a client certificate or an accepted token gets in', async (t) => {
  const { api, control, kubeconfig, tokenFile } = await startKubesim(t, generated('pods=1', '--tls', '--token', 'one'));
  const text = fs.readFileSync(kubeconfig, 'utf8');
  const path = (key) => fs.readFileSync(new RegExp(`${key}: "(.*)"`).exec(text)[1]);
  const ca = path('certificate-authority');
  const pods = `${api}/api/v1/pods`;
  assert.equal((await ask(pods, { ca })).json.reason, 'Unauthorized');
  assert.equal((await ask(pods, { ca, cert: path('client-certificate'), key: path('client-key') })).status, 200);
  const withToken = (token) => ask(pods, { ca, headers: { authorization: `Bearer ${token}` } });
  assert.equal((await withToken('one')).status, 200);
  await post(`${control}/kubesim/tokens`, { accept: ['two'], write: 'two' });
  assert.equal((await withToken('one')).status, 401);
  assert.equal((await withToken(fs.readFileSync(tokenFile, 'utf8'))).status, 200);
  await assert.rejects(ask(pods, {}), /certificate/);
});

test('a generated cluster has the wanted size, and the same for the same seed', async (t) => {
  const [one, other] = await Promise.all([1, 2].map(() => startKubesim(t, generated('pods=40,nodes=2,size=5000'))));
  const [a, b] = await Promise.all(
    [one, other].map(({ api }) => ask(`${api}/api/v1/pods?fieldSelector=spec.nodeName%3Dnode2`)),
  );
  assert.equal(a.json.items.length, 20);
  for (const pod of a.json.items) assert.ok(Math.abs(JSON.stringify(pod).length - 5000) < 300);
  const names = ({ json }) => json.items.map(({ metadata }) => metadata.name);
  assert.deepEqual(names(a), names(b));
  const proto = await ask(`${one.api}/api/v1/pods`, { headers: { accept: PROTOBUF } });
  const items = [...fields(openEnvelope(proto.body).raw)].filter(({ number }) => number === 2);
  assert.equal(items.length, 40);
  assert.ok(items.every(({ value }) => textAt(field(value, 2), [10]).startsWith('node')));
});

test('churn and crashes happen at their rates, with their logs', async (t) => {
  const { api, control } = await startKubesim(t, generated('pods=30,churn=20,crashes=2,size=2500'));
  const { json } = await ask(`${api}/api/v1/pods`);
  await post(`${control}/kubesim/clock`, { advance: 30 });
  const state = (await ask(`${control}/kubesim/state`)).json;
  const changes = state.resources.pods.version - Number(json.metadata.resourceVersion);
  assert.ok(changes > 500 && changes < 900, `${changes} changes`);
  const later = (await ask(`${api}/api/v1/pods`)).json.items;
  assert.equal(later.length, 30);
  const crashed = later.find(({ status }) => status.containerStatuses[0].restartCount > 0);
  const { namespace, name } = crashed.metadata;
  const log = await ask(`${api}/api/v1/namespaces/${namespace}/pods/${name}/log?previous=true`);
  assert.match(log.body.toString(), /^FATAL/);
});

test('a crash on demand is what the kubelet would show', async (t) => {
  const { api, control } = await startKubesim(t, generated('pods=2'));
  const { json } = await ask(`${api}/api/v1/pods`);
  const events = take(watch(`${api}/api/v1/pods?resourceVersion=${json.metadata.resourceVersion}`), 2);
  await ask(`${control}/kubesim/wait?until=watch:pods`);
  const crash = await post(`${control}/kubesim/crash`, {
    exitCode: 3,
    lines: ['one', 'zwei: \u00e4'],
    restartAfter: null,
  });
  await post(`${control}/kubesim/clock`, { advance: 2 });
  const [dead, waiting] = (await events).map(({ object }) => object.status.containerStatuses[0]);
  assert.deepEqual([dead.state.terminated.exitCode, dead.state.terminated.containerID], [3, crash.json.containerId]);
  assert.equal(waiting.state.waiting.reason, 'CrashLoopBackOff');
  assert.equal(waiting.lastState.terminated.containerID, crash.json.containerId);
  const log = await ask(`${api}/api/v1/namespaces/${crash.json.namespace}/pods/${crash.json.pod}/log?previous=true`);
  assert.equal(log.body.toString(), 'one\nzwei: \u00e4\n');
});

test('a status is applied by its manager beside the spec, which it cannot change', async (t) => {
  const custom = ['--custom-resource', 'nightjar.dev/v1alpha1/apimonitors/ApiMonitor'];
  const { api } = await startKubesim(t, generated('pods=1', ...custom));
  const path = `${api}/apis/nightjar.dev/v1alpha1/namespaces/shop/apimonitors`;
  await post(path, { metadata: { name: 'web' }, spec: { interval: '10s' }, status: { failing: 7 } });
  const body = (value) => ({
    method: 'PATCH',
    headers: { 'content-type': 'application/apply-patch+yaml' },
    body: JSON.stringify({ apiVersion: 'nightjar.dev/v1alpha1', kind: 'ApiMonitor', metadata: { name: 'web' }, ...value }),
  });
  assert.equal((await ask(`${path}/web/status`, body({ status: { failing: 1 } }))).status, 422, 'a manager is wanted');
  const manager = '?fieldManager=nightjar-collector&force=true';
  const applied = await ask(`${path}/web/status${manager}`, body({ spec: { interval: '1s' }, status: { failing: 1 } }));
  assert.equal(applied.status, 200);
  assert.deepEqual([applied.json.spec, applied.json.status], [{ interval: '10s' }, { failing: 1 }]);
  assert.equal((await ask(`${path}/none/status${manager}`, body({ metadata: { name: 'none' } }))).status, 404);
});
