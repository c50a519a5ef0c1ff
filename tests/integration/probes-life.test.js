/** What becomes of checks as the cluster changes under them: incidents end with what they are about, and nobody is told wrongly. */
import assert from 'node:assert/strict';
import { ask } from '../lib/lab.js';
import { until } from '../lib/wait.js';
import { MONITORS, alerts, createMonitor, probeTest, quick, runsPass, wasProbed } from '../lib/probe-test.js';

/** Fails as long as nothing else is said. */
const broken = (_request, response) => {
  response.writeHead(500, { 'content-type': 'text/plain' });
  response.end('broken\n');
};

const ofService = async (lab, name) =>
  (await lab.incidents()).filter(({ kind, workload }) => kind === 'probe' && workload === name);

const statesOf = async (lab, id) => {
  const { json, status } = await lab.api(`/api/v1/monitors/${id}`);
  return status === 404 ? undefined : json.targets.map(({ state }) => state).sort();
};

async function isOpen(lab, name) {
  await until(async () => (await ofService(lab, name)).some(({ state }) => state === 'open'), {
    what: `${name} has an incident`,
    programs: lab.programs,
  });
}

async function isOver(lab, name, after) {
  await until(async () => (await ofService(lab, name)).every(({ state }) => state === 'resolved'), {
    what: `${name}'s incident ends with ${after}`,
    programs: lab.programs,
  });
}

/** What people were told of checks, and not of the pods themselves. */
const toldOfChecks = async (lab) => (await alerts(lab)).filter((text) => /checks fail|Service is down/.test(text));

const patch = (lab, path, body) =>
  ask(lab.cluster.api + path, { method: 'PATCH', body, headers: { 'content-type': 'application/merge-patch+json' } });

const editMonitor = (lab, name, spec, generation = 2) =>
  patch(lab, `${MONITORS}/${name}`, { metadata: { generation }, spec });

const removeMonitor = (lab, name) => ask(`${lab.cluster.api}${MONITORS}/${name}`, { method: 'DELETE' });

const SERVICES = '/api/v1/namespaces/shop/services';

/** What is done to a service one of whose two pods fails, after which no pod that is checked fails. */
const ENDINGS = {
  'monitor-deleted': (lab, { name }) => removeMonitor(lab, name),
  'monitor-edited': (lab, { name }) => editMonitor(lab, name, { steps: [{ name: 'front', http: { path: '/fine' } }] }),
  'monitor-suspended': (lab, { name }) => editMonitor(lab, name, { suspend: true }),
  'scope-changed': async (lab, workload) => {
    await workload.bad.setReady(false);
    await editMonitor(lab, workload.name, { scope: 'service' });
  },
  'labels-changed': (_lab, { bad }) => bad.change({ metadata: { labels: { app: 'nobody' } } }),
  'selector-changed': (lab, { name }) => patch(lab, `${SERVICES}/${name}`, { spec: { selector: { app: name, tier: 'none' } } }),
  'port-renamed': (lab, { name, servicePort }) =>
    patch(lab, `${SERVICES}/${name}`, { spec: { ports: [{ name: 'web', port: servicePort, targetPort: 'http', protocol: 'TCP' }] } }),
  'service-deleted': (lab, { name }) => ask(`${lab.cluster.api}${SERVICES}/${name}`, { method: 'DELETE' }),
  'service-headed-elsewhere': (lab, { name }) =>
    patch(lab, `${SERVICES}/${name}`, { spec: { type: 'ExternalName', externalName: 'example.com', selector: null } }),
  'pod-failed': (_lab, { bad }) => bad.change({ status: { phase: 'Failed', reason: 'Evicted' } }),
  'pod-succeeded': (_lab, { bad }) => bad.change({ status: { phase: 'Succeeded' } }),
  'pod-deleted': (_lab, { bad }) => bad.workload.removePod(bad),
  'pod-moved': (_lab, { bad, good }) => bad.change({ status: { podIP: good.address, podIPs: [{ ip: good.address }] } }),
  'pod-mended': (_lab, { bad }) => {
    bad.answer = (_request, response) => response.end('ok');
  },
};

probeTest('a failing check ends with what it was about, and its incident with it', {}, async (create, lab) => {
  const healthy = await create({ name: 'healthy' });
  await createMonitor(lab, 'healthy', quick('healthy', { scope: 'pods' }));
  await healthy.scale(1);
  const workloads = [];
  for (const name of Object.keys(ENDINGS)) {
    const workload = await create({ name });
    await createMonitor(lab, name, quick(name, { scope: 'pods' }));
    await workload.scale(2);
    [workload.bad, workload.good] = workload.pods;
    workloads.push(workload);
  }
  for (const { pods } of workloads) for (const pod of pods) await wasProbed(pod);
  await runsPass(lab, 2);
  for (const { bad } of workloads)
    bad.answer = (request, response) => (request.url === '/fine' ? response.end('ok') : broken(request, response));
  for (const { name } of workloads) await isOpen(lab, name);
  await lab.settled({ looks: 3 });
  assert.equal((await toldOfChecks(lab)).length, workloads.length, 'one message each');

  for (const workload of workloads) await ENDINGS[workload.name](lab, workload);
  for (const { name } of workloads) await isOver(lab, name, name);
  await runsPass(lab, 3);
  await lab.settled({ looks: 3 });
  for (const { name } of workloads) {
    assert.deepEqual((await ofService(lab, name)).map(({ state }) => state), ['resolved'], name);
  }
  const states = Object.fromEntries(
    await Promise.all(workloads.map(async ({ name }) => [name, await statesOf(lab, `apimonitor.shop.${name}`)])),
  );
  const one = ['passing'];
  const both = ['passing', 'passing'];
  assert.deepEqual(states, {
    'monitor-deleted': undefined,
    'monitor-edited': both,
    'monitor-suspended': [],
    'scope-changed': one,
    'labels-changed': one,
    'selector-changed': [],
    'port-renamed': [],
    'service-deleted': [],
    'service-headed-elsewhere': [],
    'pod-failed': one,
    'pod-succeeded': one,
    'pod-deleted': one,
    'pod-moved': both,
    'pod-mended': both,
  });
  assert.equal((await toldOfChecks(lab)).length, 2 * workloads.length, (await alerts(lab)).join('\n----\n'));

  // What comes back, still broken, is told again.
  const labelled = workloads.find(({ name }) => name === 'labels-changed');
  await labelled.bad.change({ metadata: { labels: { app: 'labels-changed' } } });
  await isOpen(lab, 'labels-changed');
});

/** Every pod of it fails. */
async function brokenWorkload(create, lab, name, more = {}) {
  const workload = await create({ name, ...more });
  await workload.scale(1);
  return workload;
}

probeTest('another monitor takes over while its Service fails', {}, async (create, lab) => {
  const healthy = await create({ name: 'healthy', annotations: { 'nightjar.dev/probe': 'http', 'nightjar.dev/probe-interval': '1s' } });
  await healthy.scale(1);
  const annotations = { 'nightjar.dev/probe': 'http', 'nightjar.dev/probe-path': '/health', 'nightjar.dev/probe-interval': '1s' };
  const replaced = await brokenWorkload(create, lab, 'replaced', { annotations });
  const off = await brokenWorkload(create, lab, 'off', { annotations });
  const away = await brokenWorkload(create, lab, 'away', { annotations, namespace: 'away' });
  const quiet = await brokenWorkload(create, lab, 'quiet', {
    namespace: 'quiet',
    annotations: { 'nightjar.dev/probe-interval': '1s' },
    container: { readinessProbe: { httpGet: { path: '/ready', port: 'http' }, periodSeconds: 1 } },
  });
  const all = [replaced, off, away, quiet];
  for (const { pods } of all) await wasProbed(pods[0]);
  await runsPass(lab, 2);
  for (const { pods } of all) pods[0].answer = broken;
  for (const { name } of all) await isOpen(lab, name);
  await lab.settled({ looks: 3 });
  assert.equal((await alerts(lab)).length, all.length);

  await createMonitor(lab, 'replaced', quick('replaced', { scope: 'pods' }));
  await patch(lab, `${SERVICES}/off`, { metadata: { annotations: { 'nightjar.dev/probe': 'off' } } });
  await away.vanish();
  await ask(`${lab.cluster.api}/api/v1/namespaces`, {
    method: 'POST',
    body: { metadata: { name: 'quiet', annotations: { 'nightjar.dev/probe': 'off' } } },
  });
  await isOver(lab, 'off', 'the annotation off');
  await isOver(lab, 'away', 'its namespace');
  await isOver(lab, 'quiet', "its namespace's annotation");
  await until(async () => (await statesOf(lab, 'apimonitor.shop.replaced'))?.includes('failing'), {
    what: 'the monitor fails as the annotation did',
    programs: lab.programs,
  });
  await runsPass(lab, 3);
  await lab.settled({ looks: 3 });
  assert.equal((await ofService(lab, 'replaced')).filter(({ state }) => state === 'open').length, 1);
  const { json } = await lab.api('/api/v1/monitors?limit=1000');
  assert.deepEqual(json.items.map(({ id }) => id).sort(), ['apimonitor.shop.replaced', 'service.shop.healthy']);
  const told = await alerts(lab);
  const about = (name) => told.filter((text) => text.includes(name)).length;
  assert.deepEqual([about('off'), about('away'), about('quiet')], [2, 2, 2], told.join('\n----\n'));
  // The annotation's checks are gone, which is said; what the monitor finds is a story of its own.
  const ofReplaced = told.filter((text) => text.includes('replaced'));
  assert.ok(ofReplaced.length <= 3, ofReplaced.join('\n----\n'));
  assert.ok(ofReplaced.every((text) => !/pass again/.test(text)), ofReplaced.join('\n----\n'));
});

probeTest('what changed while the collector was away, or the agent, is right once they are back', {}, async (create, lab) => {
  const healthy = await create({ name: 'healthy' });
  await createMonitor(lab, 'healthy', quick('healthy', { scope: 'pods' }));
  await healthy.scale(1);
  const names = ['still', 'mended', 'deleted', 'edited', 'emptied', 'early'];
  const workloads = {};
  for (const name of names) {
    workloads[name] = await create({ name });
    await createMonitor(lab, name, quick(name, { scope: name === 'deleted' ? 'both' : 'pods' }));
    await workloads[name].scale(1);
  }
  const pods = Object.values(workloads).flatMap((workload) => workload.pods);
  for (const pod of pods) await wasProbed(pod);
  await runsPass(lab, 2);
  for (const pod of pods) pod.answer = (request, response) => (request.url === '/fine' ? response.end('ok') : broken(request, response));
  for (const name of names) await isOpen(lab, name);
  await lab.settled({ looks: 3 });
  assert.equal((await alerts(lab)).length, names.length);

  await lab.collector.stop();
  workloads.mended.pods[0].answer = healthy.answer;
  await removeMonitor(lab, 'deleted');
  await editMonitor(lab, 'edited', { steps: [{ name: 'front', http: { path: '/fine' } }] });
  await workloads.emptied.scale(0);
  await runsPass(lab, 3, [lab.agent]);
  lab.startCollector();
  await lab.collectorReady();
  for (const name of ['mended', 'deleted', 'edited', 'emptied']) await isOver(lab, name, 'the collector being back');

  await lab.agent.kill();
  workloads.early.pods[0].answer = healthy.answer;
  lab.startAgent();
  await lab.agentReady();
  await isOver(lab, 'early', 'the agent being back');
  await runsPass(lab, 3);
  await lab.settled({ looks: 3 });
  assert.deepEqual((await ofService(lab, 'still')).map(({ state }) => state), ['open']);
  assert.deepEqual(await statesOf(lab, 'apimonitor.shop.still'), ['failing']);
  assert.equal(await statesOf(lab, 'apimonitor.shop.deleted'), undefined);
  assert.deepEqual(await statesOf(lab, 'apimonitor.shop.emptied'), []);
  const told = await alerts(lab);
  assert.equal(told.length, 2 * names.length - 1, told.join('\n----\n'));
});

probeTest("a hand-made endpoint is no way into another namespace's Service or pod", {}, async (create, lab) => {
  const bank = await create({ name: 'bank', namespace: 'bank' });
  await bank.scale(1);
  const address = '127.127.127.1';
  const ways = { 'by-service': bank.clusterIp, 'by-spelling': `::ffff:${bank.clusterIp}` };
  for (const [name, target] of Object.entries(ways)) {
    const ports = [{ name: 'http', port: bank.servicePort, targetPort: bank.servicePort, protocol: 'TCP' }];
    await bank.write('POST', SERVICES, {
      metadata: { name },
      spec: { type: 'ClusterIP', clusterIP: address, clusterIPs: [address], ipFamilies: ['IPv4'], ports },
      status: { loadBalancer: {} },
    });
    await bank.write('POST', '/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices', {
      metadata: { name: `${name}-hand`, labels: { 'kubernetes.io/service-name': name } },
      addressType: target.includes(':') ? 'IPv6' : 'IPv4',
      ports: [{ name: 'http', protocol: 'TCP', port: bank.servicePort }],
      endpoints: [{ addresses: [target], conditions: { ready: true, serving: true, terminating: false } }],
    });
    await createMonitor(lab, name, quick(name, { steps: [{ http: { path: '/steal' } }] }));
  }
  for (const name of Object.keys(ways)) {
    const accepted = await until(
      async () => {
        const { json } = await ask(`${lab.cluster.api}${MONITORS}/${name}`);
        return json.status?.conditions?.find(({ type }) => type === 'Accepted');
      },
      { what: `${name} has a status`, programs: lab.programs },
    );
    assert.deepEqual([accepted.status, accepted.reason], ['False', 'HostNotAllowed'], accepted.message);
    assert.match(accepted.message, /belongs to namespace bank/);
    assert.deepEqual(await statesOf(lab, `apimonitor.shop.${name}`), []);
  }
  await runsPass(lab, 3);
  assert.ok(!bank.pods[0].requests.some(({ url }) => url === '/steal'));
  assert.deepEqual(await alerts(lab), []);
});
