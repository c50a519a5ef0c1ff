/** What is held back because of what happens on purpose, through the real programs: a namespace's end, a Job's. */
import assert from 'node:assert/strict';
import { ask } from '../lib/lab.js';
import { labTest } from '../lib/lab-test.js';
import { metricSum } from '../lib/prometheus.js';
import { until } from '../lib/wait.js';

const JSON_TYPE = { 'content-type': 'application/json' };
const PATCH_TYPE = { 'content-type': 'application/merge-patch+json' };
const now = () => new Date().toISOString().replace(/\.\d+Z$/, 'Z');

const options = {
  generate: 'pods=4,replicas=2,nodes=1,namespaces=2',
  realTime: true,
  speed: 1,
  collector: (lab) => ({
    sla: { outage_after: '1s' },
    notify: { language: 'en', channels: [{ name: 'wecom', type: 'wecom_robot', url_file: lab.robotFile() }] },
  }),
};

async function request(lab, method, where, body, expected) {
  const headers = method === 'PATCH' ? PATCH_TYPE : JSON_TYPE;
  const { status, text } = await ask(`${lab.cluster.api}${where}`, { method, body, headers });
  assert.equal(status, expected, text);
}

const create = (lab, where, body) => request(lab, 'POST', where, body, 201);
const patch = (lab, where, body) => request(lab, 'PATCH', where, body, 200);

async function crash(lab, pod, number) {
  const [spec] = pod.spec.containers;
  const containerID = `containerd://${String(number).padStart(64, '0')}`;
  const terminated = { exitCode: 1, reason: 'Error', startedAt: now(), finishedAt: now(), containerID };
  const { namespace, name } = pod.metadata;
  await patch(lab, `/api/v1/namespaces/${namespace}/pods/${name}`, {
    status: {
      containerStatuses: [
        { name: spec.name, image: spec.image, imageID: '', ready: false, restartCount: 1, containerID, state: { terminated }, lastState: {} },
      ],
    },
  });
}

const told = async (lab) => (await lab.messages()).filter(({ msgtype }) => msgtype !== 'file').map(({ text }) => text);

labTest('what a namespace takes along that is being deleted is kept with its reason, and told where it stays', options, async (lab) => {
  await lab.startAll();
  await lab.run();
  const pods = (await ask(`${lab.cluster.api}/api/v1/pods`)).json.items;
  const going = pods.find(({ metadata }) => metadata.namespace === 'team-1');
  const staying = pods.find(({ metadata }) => metadata.namespace === 'team-2');
  const deleting = { deletionTimestamp: now(), finalizers: ['example.com/wait'] };
  await patch(lab, '/api/v1/namespaces/team-1', { metadata: deleting, status: { phase: 'Terminating' } });
  await until(async () => metricSum(await lab.collectorMetrics(), 'nightjar_namespaces_going') === 1, {
    what: 'the collector knows',
    programs: [lab.collector],
  });
  await crash(lab, going, 1);
  const held = await until(async () => (await lab.incidents({ kind: 'crash', namespace: 'team-1' }))[0], { what: 'the crash is an incident', programs: lab.programs });
  assert.equal(held.suppressed, 'namespace deleted');
  assert.equal(held.state, 'open');
  await crash(lab, staying, 2);
  await until(async () => (await told(lab)).some((text) => text.includes('team-2')), { what: 'the other is told', programs: lab.programs });
  assert.ok(!(await told(lab)).some((text) => text.includes('team-1')), (await told(lab)).join('\n'));
  assert.match((await lab.api('/metrics')).text, /nightjar_incidents_suppressed_total\{reason="namespace deleted"\} 1\n/);

  // It stays after all, and so does the trouble.
  await patch(lab, '/api/v1/namespaces/team-1', { metadata: { deletionTimestamp: null, finalizers: null }, status: { phase: 'Active' } });
  await until(async () => (await told(lab)).some((text) => text.includes('team-1')), { what: 'it is told', programs: lab.programs });
  assert.equal((await lab.incidents({ kind: 'crash', namespace: 'team-1' }))[0].suppressed, '');
});

const slicePath = (name) => `/apis/discovery.k8s.io/v1/namespaces/team-1/endpointslices/${name}-1`;

async function makeService(lab, name, address) {
  await create(lab, '/api/v1/namespaces/team-1/services', {
    metadata: { name, namespace: 'team-1' },
    spec: { clusterIP: 'None', clusterIPs: ['None'], selector: { app: name }, ports: [{ port: 80 }] },
  });
  await create(lab, '/apis/discovery.k8s.io/v1/namespaces/team-1/endpointslices', {
    metadata: { name: `${name}-1`, namespace: 'team-1', labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ port: 80 }],
    endpoints: [
      { addresses: [address], conditions: { ready: true, serving: true, terminating: false }, targetRef: { kind: 'Pod', namespace: 'team-1', name: `${name}-x`, uid: `uid-${name}` } },
    ],
  });
}

const stateOf = async (lab, name) => (await lab.api(`/api/v1/services/team-1/${name}`)).json?.now?.state;

labTest('a Service whose Job is completed is not missed, nor when the Job is cleaned up', options, async (lab) => {
  await lab.startAll();
  await lab.run();
  const job = '/apis/batch/v1/namespaces/team-1/jobs';
  const template = { metadata: { labels: { app: 'pi' } }, spec: { restartPolicy: 'Never', containers: [{ name: 'pi', image: 'pi:1' }] } };
  await create(lab, job, { metadata: { name: 'pi', namespace: 'team-1' }, spec: { parallelism: 1, completions: 1, template }, status: { active: 1 } });
  await makeService(lab, 'pi', '127.0.0.9');
  await makeService(lab, 'lost', '127.0.0.10');
  await makeService(lab, 'late', '127.0.0.11');
  for (const name of ['pi', 'lost', 'late']) {
    await until(async () => (await stateOf(lab, name)) === 'up', { what: `${name} is up`, programs: [lab.collector] });
  }
  // Both lose their pod, and one has a reason.
  for (const name of ['lost', 'pi']) await patch(lab, slicePath(name), { endpoints: [] });
  await patch(lab, `${job}/pi`, { status: { active: 0, succeeded: 1, conditions: [{ type: 'Complete', status: 'True', lastTransitionTime: now() }] } });
  await until(async () => (await stateOf(lab, 'pi')) === 'scaled_to_zero', { what: 'nothing is wanted behind pi', programs: [lab.collector] });
  const outages = () => lab.incidents({ kind: 'service_outage' });
  await until(async () => (await outages()).length > 0, { what: 'the other is an outage', programs: [lab.collector] });
  await request(lab, 'DELETE', `${job}/pi`, undefined, 200);
  await until(async () => metricSum(await lab.collectorMetrics(), 'nightjar_kube_objects', 'resource="jobs"') === 0, {
    what: 'the Job is gone',
    programs: [lab.collector],
  });
  // One that is away from then on is told: the other would have been, too.
  await patch(lab, slicePath('late'), { endpoints: [] });
  await until(async () => (await outages()).length > 1, { what: 'a later one is an outage', programs: [lab.collector] });
  assert.equal(await stateOf(lab, 'pi'), 'scaled_to_zero');
  assert.deepEqual((await outages()).map(({ workload }) => workload).sort(), ['late', 'lost']);
});
