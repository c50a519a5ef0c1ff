/** kill -9 of the agent, the collector and both, at random moments: nothing is lost, nothing is told twice. */
// long
// alone
import assert from 'node:assert/strict';
import { RECORDING } from '../lib/lab.js';
import { labTest, seeded } from '../lib/lab-test.js';
import { outcome } from '../lib/outcome.js';
import { formatTime, fromSeconds, parseTime } from '../lib/time.js';
import { assertCrashes, assertIncidents, CRASHES, subjectOf } from './expected.js';

const SESSIONS = 4;
const KILLS = 6; // in a session: 24 in all
const VICTIMS = ['agent', 'collector', 'both'];

/**
 * The longest that the cluster goes on without the victim, in its time. Shorter than two restarts of a container, so that no
 * crash is gone from the pod's status when the agent is back.
 */
const AWAY_S = 3;

const SPEED = 80;

/**
 * What happened so long before a kill has been stored by then, and what happened since may have been or not: at SPEED, a
 * container's next restarts follow within fewer milliseconds than a busy machine may take to store anything.
 */
const UNSTORED_S = 4;

/** Two watches of pods: the agent's and the collector's. Time stands still without them. */
const HOLD = 2;

/** Moments of a session, half of them where something crashes. @returns {bigint[]} sorted */
function moments(random, { start, end }) {
  const anywhere = () => start + fromSeconds(random() * (Number(end - start) / 1e9));
  const nearCrash = () => {
    const { finishedAt } = CRASHES[Math.floor(random() * CRASHES.length)];
    const at = parseTime(finishedAt) + fromSeconds(random() * 3);
    return at > start && at < end ? at : anywhere();
  };
  return Array.from({ length: KILLS }, (_, index) => (index % 2 ? nearCrash() : anywhere())).sort((a, b) =>
    a < b ? -1 : 1,
  );
}

/** Robots cannot drop duplicates: each transition at most once, and what is missing is known to be uncertain. */
async function assertRobot(lab, incidents) {
  const told = (await lab.messages('robot:robot-1')).filter(({ msgtype }) => msgtype !== 'file');
  const keys = told.map(({ text }) => JSON.stringify(subjectOf(text)));
  assert.equal(new Set(keys).size, keys.length, `nothing is told twice: ${keys}`);
  for (const { id, state } of incidents.filter(({ suppressed }) => !suppressed)) {
    for (const isEnd of state === 'resolved' ? [false, true] : [false]) {
      if (keys.includes(JSON.stringify({ id, isEnd }))) continue;
      const { json } = await lab.api(`/api/v1/incidents/${id}/notifications`);
      const row = json.items.find(
        ({ channel, transition }) => channel === 'wecom' && transition === (isEnd ? 'resolved' : 'opened'),
      );
      assert.ok(
        ['uncertain', 'folded'].includes(row?.status),
        `#${id} was not told (end: ${isEnd}) and is uncertain: ${JSON.stringify(row)}`,
      );
    }
  }
}

/** A webhook can: each transition exactly once. */
async function assertHook(lab, incidents) {
  const hook = (await lab.messages('hook:default')).map(({ json }) => `${json.incident.id} ${json.transition}`);
  const shown = incidents.filter(({ suppressed }) => !suppressed);
  const wanted = shown.flatMap(({ id, state }) => [
    `${id} opened`,
    ...(state === 'resolved' ? [`${id} resolved`] : []),
  ]);
  assert.deepEqual(hook.sort(), wanted.sort());
}

const options = {
  recording: RECORDING,
  speed: SPEED,
  wecomsim: ['--rate', '1000'],
  collector: (lab) => ({
    notify: {
      channels: [
        { name: 'wecom', type: 'wecom_robot', url_file: lab.robotFile(), rate_per_minute: 1000 },
        { name: 'hook', type: 'webhook', url_file: lab.path('hook-url'), rate_per_minute: 1000, retries: 100 },
      ],
      routes: [{ group: 'everybody', channels: ['wecom', 'hook'] }],
    },
  }),
};

async function killSome(lab, t, { random, when, session }) {
  for (const [index, at] of when.entries()) {
    const victim = VICTIMS[(session + index) % VICTIMS.length];
    const awayS = random() * AWAY_S;
    const agentDies = victim !== 'collector';
    const collectorDies = victim !== 'agent';
    if (agentDies) {
      await lab.waitCluster(`time:${formatTime(at - fromSeconds(UNSTORED_S), 9)}`);
      await lab.catchUp(SPEED);
    }
    await lab.waitCluster(`time:${formatTime(at, 9)}`);
    t.diagnostic(`${formatTime(at, 3)} kill -9 ${victim}, away for ${awayS.toFixed(1)} s`);
    await Promise.all([agentDies && lab.agent.kill(), collectorDies && lab.collector.kill()]);
    await lab.control('clock', { advance: awayS });
    if (agentDies) lab.startAgent();
    if (collectorDies) lab.startCollector();
    if (collectorDies) await lab.collectorReady();
    if (agentDies) {
      await lab.agentReady();
      await lab.catchUp(SPEED);
    }
  }
}

for (let session = 0; session < SESSIONS; session++) {
  labTest(`session ${session + 1}: ${KILLS} times kill -9`, options, async (lab, t) => {
    const { random } = seeded(t, session);
    await lab.startAll();
    await lab.control('clock', { hold: HOLD });
    const { timeNs, endTime } = await lab.control('state');
    const when = moments(random, { start: BigInt(timeNs), end: parseTime(endTime) });
    await lab.run();
    await killSome(lab, t, { random, when, session });
    await lab.finish();
    const { crashes, lostCrashes, incidents } = await outcome(lab);
    assertCrashes(crashes);
    assert.equal(lostCrashes, 0);
    assertIncidents(incidents);
    const all = await lab.incidents();
    await assertRobot(lab, all);
    await assertHook(lab, all);
  });
}
