/** A storm: many pods of many services crash at once. People are told at once, and not to death. */
import assert from 'node:assert/strict';
import { ask } from '../lib/lab.js';
import { labTest } from '../lib/lab-test.js';
import { until } from '../lib/wait.js';

const PODS = 500;
const SERVICES = 40;
const MINUTE_MS = 60_000;
const PER_MINUTE = 5;

const now = () => new Date().toISOString().replace(/\.\d+Z$/, 'Z');

const options = {
  generate: `pods=${PODS},replicas=${Math.ceil(PODS / SERVICES)},nodes=1,namespaces=5,size=3000`,
  realTime: true,
  speed: 1,
  collector: (lab) => ({
    notify: { language: 'en', storm_after: 3, channels: [{ name: 'wecom', type: 'wecom_robot', url_file: lab.robotFile() }] },
  }),
};

async function crash(lab, pod, number) {
  const [spec] = pod.spec.containers;
  const containerID = `containerd://${String(number).padStart(64, '0')}`;
  const status = {
    containerStatuses: [
      {
        name: spec.name,
        image: spec.image,
        imageID: '',
        ready: false,
        restartCount: 1,
        containerID,
        state: { terminated: { exitCode: 1, reason: 'Error', startedAt: now(), finishedAt: now(), containerID } },
        lastState: {},
      },
    ],
  };
  const { namespace, name } = pod.metadata;
  const { status: answer, text } = await ask(`${lab.cluster.api}/api/v1/namespaces/${namespace}/pods/${name}`, {
    method: 'PATCH',
    body: { status },
    headers: { 'content-type': 'application/merge-patch+json' },
  });
  assert.equal(answer, 200, text);
}

labTest(`${PODS} pods of ${SERVICES} services crash within 10 s: the first message within one, at most ${PER_MINUTE} a minute`, options, async (lab) => {
  await lab.startAll();
  await lab.run();
  const pods = (await ask(`${lab.cluster.api}/api/v1/pods?limit=1000`)).json.items;
  assert.equal(pods.length, PODS);
  const workloads = new Set(pods.map(({ metadata }) => metadata.ownerReferences[0].name));
  const began = Date.now();
  // Those of all services at once, as when what they all need goes away.
  const order = [...pods.keys()].sort((a, b) => (a % 13) - (b % 13) || a - b);
  for (let next = 0; next < order.length; next += 25) {
    await Promise.all(order.slice(next, next + 25).map((index) => crash(lab, pods[index], index)));
  }
  assert.ok(Date.now() - began < 10_000, `it took ${Date.now() - began} ms`);
  const found = () => lab.incidents({ kind: 'crash' });
  await until(async () => (await found()).length === workloads.size, {
    what: `${workloads.size} incidents are in REST`,
    programs: lab.programs,
  });
  const [first] = await until(async () => ((await lab.messages()).length > 0 ? lab.messages() : undefined), { what: 'a message' });
  assert.ok(first.realMs - began < 1000, `the first message came ${first.realMs - began} ms after the first crash`);
  await until(async () => (await lab.openNotifications()).every(({ status }) => !/^(pending|sending)$/.test(status)), {
    what: 'nothing waits to be told',
    timeoutMs: 3 * MINUTE_MS,
    programs: lab.programs,
  });
  const times = (await lab.messages()).filter(({ msgtype }) => msgtype !== 'file').map(({ realMs }) => realMs);
  for (const from of times) {
    const within = times.filter((at) => at >= from && at < from + MINUTE_MS).length;
    assert.ok(within <= PER_MINUTE, `${within} messages within a minute`);
  }
  const told = (await lab.messages()).map(({ text }) => text).join('\n');
  for (const { workload } of await found()) assert.ok(told.includes(workload), `${workload} is named in a message`);
});
