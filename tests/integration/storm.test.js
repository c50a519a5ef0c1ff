/**
 * A storm: many pods of many services crash at once, a node dies with all its pods, no image can be had any more. People are told
 * at once, and not to death.
 */
// alone
import assert from 'node:assert/strict';
import { ask } from '../lib/lab.js';
import { labTest } from '../lib/lab-test.js';
import { until } from '../lib/wait.js';

const PODS = 500;
const SERVICES = 40;
const MINUTE_MS = 60_000;
const PER_MINUTE = 5;

const now = () => new Date().toISOString().replace(/\.\d+Z$/, 'Z');

const cluster = (pods, services) => ({
  generate: `pods=${pods},replicas=${Math.ceil(pods / services)},nodes=1,namespaces=5,size=3000`,
  realTime: true,
  speed: 1,
  agent: { stuck: { image: '1s' } },
  collector: (lab) => ({
    notify: { language: 'en', storm_after: 3, channels: [{ name: 'wecom', type: 'wecom_robot', url_file: lab.robotFile() }] },
  }),
});

async function write(lab, method, path, body) {
  const headers = { 'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json' };
  const { status, text } = await ask(`${lab.cluster.api}${path}`, { method, body, headers });
  assert.ok(status < 300, `${method} ${path}: ${status} ${text}`);
}

const pathOf = ({ metadata: { namespace, name } }) => `/api/v1/namespaces/${namespace}/pods/${name}`;
const workloadOf = ({ metadata }) => metadata.ownerReferences[0].name;

/** The pod's only container is so now. */
async function set(lab, pod, { containerID = '', restartCount, ...state }) {
  const [{ name, image }] = pod.spec.containers;
  const containerStatuses = [{ name, image, imageID: '', ready: false, restartCount, containerID, state, lastState: {} }];
  await write(lab, 'PATCH', pathOf(pod), { status: { containerStatuses } });
}

function crash(lab, pod, number) {
  const containerID = `containerd://${String(number).padStart(64, '0')}`;
  const terminated = { exitCode: 1, reason: 'Error', startedAt: now(), finishedAt: now(), containerID };
  return set(lab, pod, { containerID, restartCount: 1, terminated });
}

const podsOf = async (lab) => (await ask(`${lab.cluster.api}/api/v1/pods?limit=1000`)).json.items;

/** Twenty-five at a time. */
async function each(items, act) {
  for (let next = 0; next < items.length; next += 25) {
    await Promise.all(items.slice(next, next + 25).map((item, index) => act(item, next + index)));
  }
}

/** What was told, once nothing waits any more: never more in a minute than people read. */
async function toldInTime(lab) {
  await until(async () => (await lab.openNotifications()).every(({ status }) => !/^(pending|sending)$/.test(status)), {
    what: 'nothing waits to be told',
    timeoutMs: 3 * MINUTE_MS,
    programs: lab.programs,
  });
  const messages = (await lab.messages()).filter(({ msgtype }) => msgtype !== 'file');
  const times = messages.map(({ realMs }) => realMs);
  for (const from of times) {
    const within = times.filter((at) => at >= from && at < from + MINUTE_MS).length;
    assert.ok(within <= PER_MINUTE, `${within} messages within a minute`);
  }
  return messages.map(({ text }) => text);
}

async function firstWithinASecond(lab, began) {
  const [first] = await until(async () => ((await lab.messages()).length > 0 ? lab.messages() : undefined), { what: 'a message' });
  assert.ok(first.realMs - began < 1000, `the first message came after ${first.realMs - began} ms`);
  return first.text;
}

labTest(`${PODS} pods of ${SERVICES} services crash within 10 s: the first message within one, at most ${PER_MINUTE} a minute`, cluster(PODS, SERVICES), async (lab) => {
  await lab.startAll();
  await lab.run();
  const pods = await podsOf(lab);
  assert.equal(pods.length, PODS);
  const workloads = new Set(pods.map(workloadOf));
  const began = Date.now();
  // Those of all services at once, as when what they all need goes away.
  const order = [...pods.keys()].sort((a, b) => (a % 13) - (b % 13) || a - b);
  await each(order, (index) => crash(lab, pods[index], index));
  assert.ok(Date.now() - began < 10_000, `it took ${Date.now() - began} ms`);
  const found = () => lab.incidents({ kind: 'crash' });
  await until(async () => (await found()).length === workloads.size, {
    what: `${workloads.size} incidents are in REST`,
    programs: lab.programs,
  });
  await firstWithinASecond(lab, began);
  const told = (await toldInTime(lab)).join('\n');
  for (const { workload } of await found()) assert.ok(told.includes(workload), `${workload} is named in a message`);
});

/** A Service of the workload's pods, which nobody probes. */
async function serve(lab, workload, pods) {
  const [{ metadata }] = pods;
  const { namespace, labels } = metadata;
  const at = `/api/v1/namespaces/${namespace}/services`;
  const ports = [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }];
  await write(lab, 'POST', at, {
    metadata: { name: workload, annotations: { 'nightjar.dev/probe': 'off' } },
    spec: { type: 'ClusterIP', clusterIP: '10.96.0.9', clusterIPs: ['10.96.0.9'], ipFamilies: ['IPv4'], selector: { app: labels.app }, ports },
    status: { loadBalancer: {} },
  });
  await write(lab, 'POST', `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`, slice(workload, pods, true));
}

const slice = (workload, pods, ready) => ({
  metadata: { name: `${workload}-slice`, labels: { 'kubernetes.io/service-name': workload } },
  addressType: 'IPv4',
  ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
  endpoints: pods.map(({ metadata: { name, namespace, uid }, status }) => ({
    addresses: [status.podIP],
    nodeName: 'node1',
    conditions: { ready, serving: ready, terminating: false },
    targetRef: { kind: 'Pod', name, namespace, uid },
  })),
});

labTest('a node dies with 110 pods: its incident at once, and the services that are down with it', cluster(110, SERVICES), async (lab) => {
  await lab.startAll();
  await lab.run();
  const pods = await podsOf(lab);
  const byWorkload = new Map();
  for (const pod of pods) byWorkload.set(workloadOf(pod), [...(byWorkload.get(workloadOf(pod)) ?? []), pod]);
  const services = [...byWorkload].map(([workload, its]) => ({ workload, pods: its }));
  await each(services, ({ workload, pods: its }) => serve(lab, workload, its));
  const up = async () => (await lab.api('/api/v1/services?limit=1000')).json.items.filter(({ state }) => state === 'up').length;
  await until(async () => (await up()) >= services.length, { what: 'every service is up', programs: lab.programs });
  const began = Date.now();
  const condition = { type: 'Ready', status: 'Unknown', reason: 'NodeStatusUnknown', message: 'Kubelet stopped posting node status.', lastTransitionTime: now() };
  await write(lab, 'PATCH', '/api/v1/nodes/node1', { status: { conditions: [condition] } });
  await each(services, ({ workload, pods: its }) => {
    const { namespace } = its[0].metadata;
    return write(lab, 'PATCH', `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices/${workload}-slice`, slice(workload, its, false));
  });
  assert.match(await firstWithinASecond(lab, began), /node1/);
  const outages = () => lab.incidents({ kind: 'service_outage' });
  await until(async () => (await outages()).length === services.length, { what: 'every outage is in REST', programs: lab.programs });
  const [node] = await lab.incidents({ kind: 'node' });
  for (const { workload, suppressed } of await outages()) assert.equal(suppressed, `incident ${node.id}`, workload);
  const told = await toldInTime(lab);
  assert.ok(told.some((text) => services.some(({ workload }) => text.includes(workload))), told.join('\n----\n'));
  assert.ok(told.every((text) => text.includes('node1')), told.join('\n----\n'));
});

labTest(`no image of ${SERVICES} workloads can be pulled: the registry is told, not each of them`, cluster(PODS, SERVICES), async (lab) => {
  await lab.startAll();
  await lab.run();
  const pods = await podsOf(lab);
  const workloads = new Set(pods.map(workloadOf));
  const waiting = { reason: 'ImagePullBackOff', message: 'dial tcp: lookup registry.example: no such host' };
  await each(pods, (pod) => set(lab, pod, { restartCount: 0, waiting }));
  const found = () => lab.incidents({ kind: 'image_pull' });
  await until(async () => (await found()).length === workloads.size, { what: `${workloads.size} incidents are in REST`, programs: lab.programs });
  const opened = Math.min(...(await found()).map(({ openedAt, firstAt }) => Date.parse(openedAt ?? firstAt)));
  await firstWithinASecond(lab, opened + 1000); // what cannot be pulled is told after stuck.image
  const told = await toldInTime(lab);
  assert.ok(told.some((text) => /Image registry fails: registry\.example/.test(text)), told.join('\n----\n'));
});
