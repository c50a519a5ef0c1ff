/**
 * The collector is killed before a message is sent, while it is, and right after: for each state of an incident people are told
 * once. Before, nobody was told, so they are told afterwards; while it is sent nobody knows, and a robot is not told again.
 */
import assert from 'node:assert/strict';
import { ask } from '../lib/lab.js';
import { labTest } from '../lib/lab-test.js';
import {
  advance, BOSS, begin, cluster, comes, deletePod, HOUR, makeService, MINUTE, ONCALL, persistent, told,
} from '../lib/pipeline.js';
import { until } from '../lib/wait.js';

const ROBOTS = { [ONCALL]: 'key=robot-1', [BOSS]: 'key=robot-2' };

/** What brings an incident into each state: prepared, then done. */
const STATES = {
  opened: { channel: ONCALL, prepare: async (crash) => ({ act: crash }) },
  resolved: {
    channel: ONCALL,
    async prepare(crash, lab) {
      const incident = await crash();
      await comes(lab, incident, ONCALL, 'opened');
      return { act: async () => (await deletePod(lab, incident), incident) };
    },
  },
  escalated: {
    channel: BOSS,
    async prepare(crash, lab) {
      const incident = await crash();
      await comes(lab, incident, ONCALL, 'opened');
      return { act: async () => (await advance(lab, 16 * MINUTE), incident) };
    },
  },
  repeated: {
    channel: ONCALL,
    async prepare(crash, lab) {
      const incident = await crash();
      await comes(lab, incident, ONCALL, 'opened');
      return { act: async () => (await advance(lab, HOUR + MINUTE), incident) };
    },
  },
  worsened: {
    channel: ONCALL,
    async prepare(crash, lab) {
      const pods = (await ask(`${lab.cluster.api}/api/v1/pods`)).json.items.map(({ metadata }) => metadata);
      const setReady = await makeService(lab, pods.at(-1));
      const incident = await crash();
      await comes(lab, incident, ONCALL, 'opened');
      return {
        async act() {
          await setReady(false);
          await advance(lab, 10);
          return incident;
        },
        after: () => setReady(true),
      };
    },
  },
};

const MOMENTS = {
  'before it is sent': { fault: { action: 'status', status: 503, times: -1 }, statuses: ['sent'] },
  'while it is sent': { fault: { action: 'hang', accept: true }, statuses: ['uncertain'] },
  'right after it was sent': { statuses: ['sent', 'uncertain'] },
};

for (const [moment, { fault, statuses }] of Object.entries(MOMENTS)) {
  labTest(`killed ${moment}: every state is told once`, { ...cluster, collector: persistent }, async (lab, t) => {
    const crash = await begin(lab);
    // The worsening first: its Service is of the pod that crashes first.
    for (const [state, { channel, prepare }] of Object.entries(STATES).sort(([a], [b]) => b.localeCompare(a))) {
      t.diagnostic(`${state}: kill -9 ${moment}`);
      const { act, after } = await prepare(crash, lab);
      const attempts = async () =>
        (await lab.controlWecom('attempts')).filter(({ path }) => path.includes(ROBOTS[channel])).length;
      const [triesBefore, toldBefore] = [await attempts(), (await lab.messages(channel)).length];
      if (fault) await lab.wecomFault({ path: ROBOTS[channel], ...fault });
      const incident = await act();
      const row = async () =>
        (await lab.api(`/api/v1/incidents/${incident.id}/notifications`)).json.items.find(
          ({ transition, channel: name }) => transition === state && name === (channel === BOSS ? 'boss' : 'wecom'),
        );
      if (fault) await until(async () => (await attempts()) > triesBefore, { what: `${state} is tried`, programs: [lab.collector] });
      if (fault?.status) await until(async () => (await row())?.attempts > 0, { what: 'it is known that nobody was told' });
      if (!fault) await until(async () => (await lab.messages(channel)).length > toldBefore, { what: `${state} is told`, programs: [lab.collector] });
      await lab.collector.kill();
      await lab.clearWecomFaults();
      lab.startCollector();
      await lab.collectorReady();
      await comes(lab, incident, channel, state);
      await advance(lab, MINUTE);
      await lab.settled();
      const count = (await told(lab, incident, channel)).filter((one) => one === state).length;
      assert.equal(count, 1, `${state} is told once`);
      const { status } = await row();
      assert.ok(statuses.includes(status), `${state} is ${status}`);
      await after?.();
      if (state !== 'resolved') {
        await deletePod(lab, incident);
        await comes(lab, incident, ONCALL, 'resolved');
      }
    }
  });
}
