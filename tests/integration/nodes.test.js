/** Nodes in trouble: one story, which absorbs those of the pods on them. */
import assert from 'node:assert/strict';
import { ask } from '../lib/lab.js';
import { alerts, probeTest } from '../lib/probe-test.js';
import { until } from '../lib/wait.js';

const now = () => new Date().toISOString().replace(/\.\d+Z$/, 'Z');

async function setReady(lab, status, reason) {
  const condition = { type: 'Ready', status, reason, message: `kubelet: ${reason}`, lastTransitionTime: now() };
  const { status: answer, text } = await ask(`${lab.cluster.api}/api/v1/nodes/node1`, {
    method: 'PATCH',
    body: { status: { conditions: [condition] } },
    headers: { 'content-type': 'application/merge-patch+json' },
  });
  assert.equal(answer, 200, text);
}

/** Its container ends badly, as its kubelet says. */
const crash = (pod) =>
  pod.change({
    status: {
      containerStatuses: [
        {
          name: pod.workload.container.name,
          image: pod.workload.container.image,
          imageID: '',
          ready: false,
          restartCount: 0,
          containerID: `containerd://${'c'.repeat(64)}`,
          state: {
            terminated: { exitCode: 3, reason: 'Error', startedAt: now(), finishedAt: now(), containerID: `containerd://${'c'.repeat(64)}` },
          },
          lastState: {},
        },
      ],
    },
  });

const incident = (lab, kind) =>
  until(async () => (await lab.incidents({ kind })).at(0), { what: `an incident ${kind}`, programs: lab.programs });

probeTest('a node that is not ready is one story; what its pods do meanwhile is kept, and nobody told', { generate: 'pods=0,nodes=1' }, async (create, lab) => {
  const web = await create({ name: 'web', annotations: { 'nightjar.dev/probe': 'off' } });
  const [pod] = await web.scale(1).then(() => web.pods);
  await setReady(lab, 'False', 'KubeletNotReady');
  const node = await incident(lab, 'node');
  assert.deepEqual([node.state, node.severity, node.workloadKind, node.workload], ['open', 'critical', 'Node', 'node1']);
  await crash(pod);
  const absorbed = await incident(lab, 'crash');
  assert.equal(absorbed.suppressed, 'node');
  await lab.settled();
  const told = await alerts(lab);
  assert.equal(told.length, 1, told.join('\n----\n'));
  assert.match(told[0], /node1/);
  const { json } = await lab.api('/api/v1/nodes/node1');
  assert.equal(json.ready, false, JSON.stringify(json));

  await setReady(lab, 'True', 'KubeletReady');
  await until(async () => (await incident(lab, 'node')).state === 'resolved', { what: 'it is well again', programs: lab.programs });
  await pod.beginDeletion();
  await pod.endDeletion();
  await until(async () => (await incident(lab, 'crash')).state === 'resolved', { what: 'the pod is gone', programs: lab.programs });
  await lab.settled();
  assert.equal((await alerts(lab)).length, 2, 'the node is told to be well; of the crash nobody hears');
});
