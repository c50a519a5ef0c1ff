/** Checks of pods and Services, with real servers standing in as pods: what people are told, and what not. */
import assert from 'node:assert/strict';
import { metricSum } from '../lib/prometheus.js';
import { ask } from '../lib/lab.js';
import { labTest } from '../lib/lab-test.js';
import { pause, until } from '../lib/wait.js';
import { Workload } from '../lib/workload.js';

const MONITORS = '/apis/nightjar.dev/v1alpha1/namespaces/shop/apimonitors';

const options = {
  generate: 'pods=0',
  realTime: true,
  speed: 1,
  kubesim: ['--custom-resource', 'nightjar.dev/v1alpha1/apimonitors/ApiMonitor'],
  wecomsim: ['--rate', '1000'],
  agent: { collector: { heartbeat: '1s' }, probes: { builtin: false } },
  collector: (lab) => ({
    probes: { builtin: false },
    notify: {
      language: 'en',
      channels: [{ name: 'wecom', type: 'wecom_robot', url_file: lab.robotFile(), rate_per_minute: 1000 }],
    },
  }),
};

/** Quick enough for a test; the shape of what people write. */
const quick = (service, more = {}) => ({
  target: { service: { name: service, port: 'http' } },
  interval: '1s',
  timeout: '800ms',
  retries: { count: 1, delay: '200ms' },
  steps: [{ name: 'front', http: { path: '/health' } }],
  ...more,
});

async function createMonitor(lab, name, spec) {
  const { status, text } = await ask(lab.cluster.api + MONITORS, {
    method: 'POST',
    body: { apiVersion: 'nightjar.dev/v1alpha1', kind: 'ApiMonitor', metadata: { name, generation: 1 }, spec },
  });
  assert.equal(status, 201, text);
}

const getMonitor = async (lab, name) => (await ask(`${lab.cluster.api}${MONITORS}/${name}`)).json;

/** @param {(workload: (options: object) => Promise<Workload>, lab, t) => Promise<void>} run */
function probeTest(name, more, run) {
  labTest(name, { ...options, ...more }, async (lab, t) => {
    const workloads = [];
    t.after(() => Promise.all(workloads.map((workload) => workload.close())));
    await lab.startAll();
    await lab.run();
    await run(
      async (given) => {
        const workload = new Workload(lab, given);
        workloads.push(workload);
        await workload.create();
        return workload;
      },
      lab,
      t,
    );
    await Promise.all(workloads.map((workload) => workload.close()));
  });
}

/** Every check has run so many times more: what was to be found has been found. */
async function runsPass(lab, rounds) {
  const runs = async () => (await metricSum(await lab.agentMetrics(), 'nightjar_probe_runs_total')) ?? 0;
  const checks = metricSum(await lab.agentMetrics(), 'nightjar_probe_checks') ?? 0;
  const wanted = (await runs()) + rounds * Math.max(1, checks);
  await until(async () => (await runs()) >= wanted, { what: 'the checks run on', programs: lab.programs });
}

const alerts = async (lab) => (await lab.messages()).filter(({ msgtype }) => msgtype !== 'file').map(({ text }) => text);

async function messagesReach(lab, count) {
  await until(async () => (await alerts(lab)).length >= count, { what: `${count} messages`, programs: lab.programs });
  await runsPass(lab, 3);
  const told = await alerts(lab);
  assert.equal(told.length, count, told.join('\n----\n'));
  return told;
}

const wasProbed = (pod) =>
  until(() => pod.requests.length > 0, { what: `${pod.name} is probed`, programs: pod.workload.lab.programs });

probeTest('pods are probed as they come and go; a rollout and scaling say nothing, a broken page does', {}, async (create, lab) => {
  const web = await create({ name: 'web' });
  await createMonitor(lab, 'web', quick('web'));
  for (let count = 0; count < 3; count++) {
    const pod = await web.addPod();
    await wasProbed(pod);
    const after = pod.requests[0].at - pod.seenAt;
    assert.ok(after < 1000, `the first request came ${after} ms after the pod`);
    assert.equal(pod.requests[0].url, '/health');
  }

  await web.scale(20);
  await web.rollout(() => pause(150));
  await runsPass(lab, 2);
  const [leaving] = web.pods;
  const before = metricSum(await lab.agentMetrics(), 'nightjar_kube_events_total');
  await leaving.beginDeletion();
  await until(async () => metricSum(await lab.agentMetrics(), 'nightjar_kube_events_total') > before, {
    what: 'the agent has seen the deletion',
    programs: lab.programs,
  });
  const connections = leaving.connections;
  await runsPass(lab, 3);
  assert.equal(leaving.connections, connections, 'nothing connects to a pod that is being deleted');
  await leaving.endDeletion();

  await web.scale(2);
  await runsPass(lab, 3);
  await web.scale(0);
  await until(async () => metricSum(await lab.agentMetrics(), 'nightjar_probe_checks') === 0, {
    what: 'no check outlives its pod',
    programs: lab.programs,
  });
  await web.scale(2);
  await runsPass(lab, 3);
  await lab.settled();
  assert.deepEqual(await alerts(lab), [], 'not one message so far');

  const [bad] = web.pods;
  bad.answer = (_request, response) => {
    response.writeHead(500, { 'content-type': 'text/plain' });
    response.end('the database is away\n');
  };
  const [told] = await messagesReach(lab, 1);
  for (const word of [bad.name, 'front', '500', 'the database is away', 'shop', 'web']) {
    assert.ok(told.includes(word), `the message says ${word}:\n${told}`);
  }
  const [incident] = (await lab.incidents()).filter(({ kind }) => kind === 'probe');
  assert.deepEqual(
    [incident.state, incident.workloadKind, incident.workload, incident.namespace],
    ['open', 'Service', 'web', 'shop'],
  );

  const { status } = await until(
    async () => {
      const monitor = await getMonitor(lab, 'web');
      return monitor.status?.failing > 0 && monitor;
    },
    { what: 'kubectl get apimon shows it', programs: lab.programs },
  );
  assert.ok(status.targets >= 2, JSON.stringify(status));

  bad.answer = web.answer;
  await messagesReach(lab, 2);
  assert.equal((await lab.incidents()).find(({ id }) => id === incident.id).state, 'resolved');
});

probeTest('when every pod fails the Service is down, in one story', {}, async (create, lab) => {
  const web = await create({ name: 'web' });
  const other = await create({ name: 'other' });
  await createMonitor(lab, 'web', quick('web', { scope: 'pods', alert: { group: 'everybody', severity: 'critical' } }));
  await createMonitor(lab, 'other', quick('other', { scope: 'pods' }));
  await web.scale(3);
  await other.scale(1);
  for (const pod of [...web.pods, ...other.pods]) await wasProbed(pod);
  await runsPass(lab, 2);
  web.answer = (_request, response) => {
    response.writeHead(503);
    response.end('closed');
  };
  for (const pod of web.pods) pod.answer = web.answer;
  await until(
    async () => (await lab.incidents()).some(({ kind, reason }) => kind === 'probe' && reason === 'AllFail'),
    { what: 'the Service is down', programs: lab.programs },
  );
  await runsPass(lab, 3);
  const incidents = (await lab.incidents()).filter(({ kind }) => kind === 'probe');
  assert.equal(incidents.length, 1, JSON.stringify(incidents));
  assert.deepEqual([incidents[0].targetsFailing, incidents[0].targetsTotal, incidents[0].severity], [3, 3, 'critical']);
  const told = await alerts(lab);
  assert.ok(told.length <= 2 && told.length >= 1, told.join('\n----\n'));
});

probeTest('a node whose every check fails is one incident, not its pods\'', {}, async (create, lab) => {
  const names = ['one', 'two', 'three'];
  const workloads = [];
  for (const name of names) {
    const workload = await create({ name });
    await createMonitor(lab, name, quick(name, { scope: 'pods' }));
    await workload.scale(2);
    workloads.push(workload);
  }
  const pods = workloads.flatMap((workload) => workload.pods);
  for (const pod of pods) await wasProbed(pod);
  await runsPass(lab, 2);
  const working = new Map(pods.map((pod) => [pod, pod.answer]));
  for (const pod of pods) pod.answer = (request) => request.socket.destroy();
  await until(async () => (await lab.incidents()).some(({ kind }) => kind === 'node_probes'), {
    what: 'the node is told',
    programs: lab.programs,
  });
  await runsPass(lab, 3);
  assert.deepEqual((await lab.incidents()).map(({ kind, workload }) => `${kind} ${workload}`), ['node_probes node1']);
  assert.equal((await alerts(lab)).length, 1);
  for (const [pod, answer] of working) pod.answer = answer;
  await messagesReach(lab, 2);
});

probeTest('a Service without a monitor is checked by what its pods say of themselves, unless that is switched off', {}, async (create, lab) => {
  const readinessProbe = { httpGet: { path: '/ready', port: 'http' }, periodSeconds: 1 };
  const derived = await create({
    name: 'derived',
    annotations: { 'nightjar.dev/probe-interval': '1s' },
    container: { readinessProbe },
  });
  const annotated = await create({
    name: 'annotated',
    annotations: { 'nightjar.dev/probe': 'http', 'nightjar.dev/probe-path': '/up', 'nightjar.dev/probe-interval': '1s' },
  });
  const off = await create({ name: 'off', annotations: { 'nightjar.dev/probe': 'off' }, container: { readinessProbe } });
  const bare = await create({ name: 'bare', annotations: { 'nightjar.dev/probe-interval': '1s' } });
  for (const workload of [derived, annotated, off, bare]) await workload.scale(1);
  await wasProbed(derived.pods[0]);
  await wasProbed(annotated.pods[0]);
  await until(() => bare.pods[0].connections > 0, { what: 'a connection is tried', programs: lab.programs });
  await runsPass(lab, 3);
  assert.ok(derived.pods[0].requests.every(({ url }) => url === '/ready'));
  assert.ok(annotated.pods[0].requests.some(({ url }) => url === '/up'));
  assert.equal(off.pods[0].connections, 0);
  assert.equal(bare.pods[0].requests.length, 0);
  const { json } = await lab.api('/api/v1/monitors?namespace=shop');
  assert.deepEqual(
    json.items.map(({ id, source }) => `${id} ${source}`).sort(),
    ['service.shop.annotated annotation', 'service.shop.bare derived', 'service.shop.derived derived'],
  );
  assert.deepEqual(await alerts(lab), []);
});
