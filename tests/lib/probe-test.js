/** What tests of checks share: a Lab in which Services are checked, and ApiMonitors in its cluster. */
import assert from 'node:assert/strict';
import { metricSum } from './prometheus.js';
import { ask } from './lab.js';
import { labTest } from './lab-test.js';
import { until } from './wait.js';
import { Workload } from './workload.js';

export const MONITORS = '/apis/nightjar.dev/v1alpha1/namespaces/shop/apimonitors';

const options = {
  generate: 'pods=0',
  realTime: true,
  speed: 1,
  kubesim: ['--custom-resource', 'nightjar.dev/v1alpha1/apimonitors/ApiMonitor'],
  wecomsim: ['--rate', '1000'],
  agent: { collector: { heartbeat: '1s' } },
  collector: (lab) => ({
    probes: { derive: true },
    notify: {
      language: 'en',
      channels: [{ name: 'wecom', type: 'wecom_robot', url_file: lab.robotFile(), rate_per_minute: 1000 }],
    },
  }),
};

/** Quick enough for a test; the shape of what people write. */
export const quick = (service, more = {}) => ({
  target: { service: { name: service, port: 'http' } },
  interval: '1s',
  timeout: '800ms',
  retries: { count: 1, delay: '200ms' },
  steps: [{ name: 'front', http: { path: '/health' } }],
  ...more,
});

export async function createMonitor(lab, name, spec) {
  const { status, text } = await ask(lab.cluster.api + MONITORS, {
    method: 'POST',
    body: { apiVersion: 'nightjar.dev/v1alpha1', kind: 'ApiMonitor', metadata: { name, generation: 1 }, spec },
  });
  assert.equal(status, 201, text);
}

/** @param {(create: (options: object) => Promise<Workload>, lab, t) => Promise<void>} run */
export function probeTest(name, more, run) {
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
export async function runsPass(lab, rounds, programs = lab.programs) {
  const runs = async () => (await metricSum(await lab.agentMetrics(), 'nightjar_probe_runs_total')) ?? 0;
  const checks = metricSum(await lab.agentMetrics(), 'nightjar_probe_checks') ?? 0;
  const wanted = (await runs()) + rounds * Math.max(1, checks);
  await until(async () => (await runs()) >= wanted, { what: 'the checks run on', programs });
}

export const alerts = async (lab) => (await lab.messages()).filter(({ msgtype }) => msgtype !== 'file').map(({ text }) => text);

export async function messagesReach(lab, count) {
  await until(async () => (await alerts(lab)).length >= count, { what: `${count} messages`, programs: lab.programs });
  await runsPass(lab, 3);
  const told = await alerts(lab);
  assert.equal(told.length, count, told.join('\n----\n'));
  return told;
}

export const wasProbed = (pod) =>
  until(() => pod.requests.length > 0, { what: `${pod.name} is probed`, programs: pod.workload.lab.programs });
