/** Incidents and what people are told of them, for tests that let hours pass. */
import assert from 'node:assert/strict';
import { ask } from './lab.js';
import { until } from './wait.js';

export const [MINUTE, HOUR, DAY] = [60, 3600, 86_400];
export const [ONCALL, BOSS] = ['robot:robot-1', 'robot:robot-2'];
const JSON_TYPE = { 'content-type': 'application/json' };

/** Each pod is a workload of its own, so that each crash is an incident of its own. */
export const cluster = {
  generate: 'pods=40,replicas=1',
  speed: 1,
  wecomsim: ['--robot', 'robot-1', '--robot', 'robot-2', '--rate', '1000'],
  agent: { crash: { stable_after: '24h' } },
};

export const settings = (lab, notify, more) => ({
  incident: { stale_after: '365d' },
  notify: {
    language: 'en',
    storm_after: 0,
    channels: [
      { name: 'wecom', type: 'wecom_robot', url_file: lab.robotFile('robot-1'), attach_log: false, rate_per_minute: 1000, timeout: '10s' },
      { name: 'boss', type: 'wecom_robot', url_file: lab.robotFile('robot-2'), attach_log: false, rate_per_minute: 1000, timeout: '10s' },
    ],
    routes: [{ group: 'oncall', channels: ['wecom'] }],
    ...notify,
  },
  ...more,
});

/** One that repeats and escalates. */
export const persistent = (lab) =>
  settings(lab, { routes: [{ group: 'oncall', channels: ['wecom'], repeat: '1h', escalate: { after: '15m', channels: ['boss'] } }] });

export const advance = (lab, seconds) => lab.control('clock', { advance: seconds });
export const nowMs = async (lab) => Date.parse((await lab.control('state')).time);

/** Time passes, and what it brings is done. */
export async function pass(lab, seconds) {
  await advance(lab, seconds);
  await lab.settled({ looks: 12 });
}

export const post = (lab, where, body) => lab.api(where, { method: 'POST', body, headers: JSON_TYPE });

/** Begins the test's cluster; returns what makes the next pod crash and gives its incident. */
export async function begin(lab) {
  await lab.startAll();
  await lab.run();
  const pods = (await ask(`${lab.cluster.api}/api/v1/pods`)).json.items.map(({ metadata }) => metadata);
  return async (more) => {
    const { namespace, name } = pods.pop();
    await lab.control('crash', { namespace, pod: name, exitCode: 3, restartAfter: null, ...more });
    return until(async () => (await lab.incidents()).find(({ pod }) => pod === name), { what: `an incident of ${name}`, programs: lab.programs });
  };
}

export async function deletePod(lab, { namespace, pod }) {
  const { status, text } = await ask(`${lab.cluster.api}/api/v1/namespaces/${namespace}/pods/${pod}`, { method: 'DELETE' });
  assert.equal(status, 200, text);
}

export const is = ({ id }) => new RegExp(`#${id}\\b`);

/** What a channel was told of an incident, in short. */
export async function told(lab, incident, channel = ONCALL) {
  const texts = (await lab.messages(channel)).map(({ text }) => text).filter((text) => is(incident).test(text));
  return texts.map((text) => {
    const [line] = text.split('\n');
    if (/Digest/.test(line)) return 'digest';
    if (/Resolved/.test(line)) return 'resolved';
    if (/^(> )?(\*\*)?Change/m.test(text)) return 'worsened';
    if (/still open/.test(text)) return 'repeated';
    if (/nobody has acknowledged/.test(text)) return 'escalated';
    return 'opened';
  });
}

export async function assertTold(lab, incident, channel, expected) {
  assert.deepEqual(await told(lab, incident, channel), expected, `#${incident.id} on ${channel}`);
}

export const comes = (lab, incident, channel, what, times = 1) =>
  until(async () => (await told(lab, incident, channel)).filter((one) => one === what).length === times, {
    what: `#${incident.id} is ${what} on ${channel}`,
    programs: [lab.collector],
    timeoutMs: 20_000,
  });

export async function silence(lab, matchers, more) {
  const body = { matchers, author: 'li', reason: 'known', until: new Date((await nowMs(lab)) + 10 * HOUR * 1000).toISOString(), ...more };
  return post(lab, '/api/v1/silences', body);
}

export async function silenced(lab, matchers, more) {
  const { status, json, text } = await silence(lab, matchers, more);
  assert.equal(status, 201, text);
  return json;
}

export const endSilence = (lab, { id }) => lab.api(`/api/v1/silences/${id}`, { method: 'DELETE' });

export async function killAndRestart(lab) {
  await lab.collector.kill();
  lab.startCollector();
  await lab.collectorReady();
}

const SERVICE = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', namespace: 'team-1' }, spec: { clusterIP: '10.0.0.9', ports: [{ port: 80 }] } };

/** A Service of one pod. @returns what makes it ready or not */
export async function makeService(lab, pod) {
  const create = async (where, body) => {
    const { status, text } = await ask(`${lab.cluster.api}${where}`, { method: 'POST', body, headers: JSON_TYPE });
    assert.equal(status, 201, text);
  };
  const { namespace, name, uid } = pod;
  const metadata = { name: 'web', namespace };
  await create(`/api/v1/namespaces/${namespace}/services`, { ...SERVICE, metadata, spec: { ...SERVICE.spec, selector: { app: 'web' } } });
  const slice = (ready) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'web-1', namespace, labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    ports: [{ port: 80 }],
    endpoints: [{ addresses: ['127.0.0.9'], conditions: { ready, serving: ready, terminating: false }, nodeName: 'node1', targetRef: { kind: 'Pod', namespace, name, uid } }],
  });
  const where = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
  await create(where, slice(true));
  const state = async () => (await lab.api(`/api/v1/services/${namespace}/web`)).json?.now?.state;
  await until(async () => (await state()) === 'up', { what: 'the service is up', programs: [lab.collector] });
  return async (ready) => {
    const { endpoints } = slice(ready);
    const { status, text } = await ask(`${lab.cluster.api}${where}/web-1`, {
      method: 'PATCH', body: { endpoints }, headers: { 'content-type': 'application/merge-patch+json' },
    });
    assert.equal(status, 200, text);
    await until(async () => (await state()) === (ready ? 'up' : 'down'), { what: `the service is ${ready ? 'up' : 'down'}`, programs: [lab.collector] });
  };
}

