/** When the recorded services were available, and why not, through the real programs. */
import assert from 'node:assert/strict';
import { RECORDING } from '../lib/lab.js';
import { labTest } from '../lib/lab-test.js';
import { servicesOf } from '../lib/outcome.js';
import { formatTime, fromSeconds, parseTime } from '../lib/time.js';
import { until } from '../lib/wait.js';
import { subjectOf } from './expected.js';

/** tests/recordings/README.md's truth table of shop/web: by ready. */
const TRUTH = [
  ['2026-11-21T09:15:32.080Z', '2026-11-21T09:15:33.236Z', 'deletion'],
  ['2026-11-21T09:16:12.185Z', '2026-11-21T09:16:48.449Z', 'scaled_to_zero'],
  ['2026-11-21T09:17:02.404Z', '2026-11-21T09:17:53.646Z', 'failed_rollout'],
  ['2026-11-21T09:18:36.874Z', '2026-11-21T09:18:54.835Z', 'failed_readiness'],
];

/** By serving: terminating pods served until their end. The times are those of the slices' events. */
const TRUTH_BY_SERVING = [
  ['2026-11-21T09:16:42.402Z', '2026-11-21T09:16:48.449Z', 'scaled_to_zero'],
  ['2026-11-21T09:17:33.605Z', '2026-11-21T09:17:53.646Z', 'failed_rollout'],
  ['2026-11-21T09:18:36.874Z', '2026-11-21T09:18:54.835Z', 'failed_readiness'],
];

/** Where it is killed, recorded time may run on for a moment while the collector is away, and more so on a busy machine. */
const TOLERANCE_MS = { whole: 50, killed: 400 };

const options = {
  recording: RECORDING,
  speed: 40,
  wecomsim: ['--rate', '1000'],
  collector: (lab) => ({
    notify: { storm_after: 1000, channels: [{ name: 'wecom', type: 'wecom_robot', url_file: lab.robotFile(), rate_per_minute: 1000 }] },
  }),
};

/** Recorded time waits for the collector too: what it measures is when it hears of something. */
const paceBoth = (lab) => lab.control('clock', { pace: [`${lab.agentUrl()}/livez`, `${lab.apiUrl}/livez`] });

async function outagesOf(lab, basis) {
  const query = `basis=${basis}&from=2026-11-21T09:13:00Z&to=2026-11-21T09:20:00Z`;
  const { status, json, text } = await lab.api(`/api/v1/services/shop/web/outages?${query}`);
  assert.equal(status, 200, text);
  return json.outages;
}

function assertOutages(found, truth, what, toleranceMs) {
  const show = JSON.stringify(found, null, 1);
  assert.deepEqual(found.map(({ cause }) => cause), truth.map(([, , cause]) => cause), `${what}\n${show}`);
  for (const [index, [from, until]] of truth.entries()) {
    for (const [is, shall] of [[found[index].from, from], [found[index].until, until]]) {
      assert.ok(Math.abs(Date.parse(is) - Date.parse(shall)) <= toleranceMs, `${what}: ${is} is ${shall}\n${show}`);
    }
  }
}

async function assertTruth(lab, what, toleranceMs = TOLERANCE_MS.whole) {
  assertOutages(await outagesOf(lab, 'ready'), TRUTH, `${what}, by ready`, toleranceMs);
  assertOutages(await outagesOf(lab, 'serving'), TRUTH_BY_SERVING, `${what}, by serving`, toleranceMs);
}

labTest('the recorded outages with their causes, and what is told of them', options, async (lab) => {
  await lab.startAll();
  await paceBoth(lab);
  await lab.run();
  await lab.finish();
  await assertTruth(lab, 'undisturbed');

  const outages = (await outagesOf(lab, 'ready')).map(({ planned, reference }) => [planned, reference.split('/')[0]]);
  assert.deepEqual(outages, [[false, ''], [true, ''], [false, 'rollout'], [false, '']]);

  const { json } = await lab.api('/api/v1/rollouts?namespace=shop&workload=web');
  const rollouts = json.items.map(({ revision, outcome }) => [revision, outcome]);
  assert.deepEqual(rollouts, [['4', 'done'], ['3', 'rolled_back'], ['2', 'done']]);
  assert.match(json.items[1].difference, /containers\[web\]\.command: .*broken build/);

  // The good rollout, the scalings and the deleted pods: nothing. One of the failed rollout, one of the outage, and their ends.
  const incidents = await lab.incidents();
  const told = (await lab.messages()).filter(({ msgtype, text }) => msgtype !== 'file' && /shop\/web/.test(text));
  const kinds = told.map(({ text }) => {
    const { id, isEnd } = subjectOf(text);
    return `${incidents.find((incident) => incident.id === id)?.kind} ${isEnd ? 'resolved' : 'opened'}`;
  });
  assert.deepEqual(kinds, ['rollout_failed opened', 'rollout_failed resolved', 'service_outage opened', 'service_outage resolved']);
  assert.match(told[0].text, /Deployment\/web/);
  assert.match(told[0].text, /3（此前 2）/);
  assert.match(told[0].text, /broken build/);
  assert.match(told[2].text, /web-headless/, 'both Services of the workload are one story');
  const held = incidents.filter(({ suppressed }) => suppressed).map(({ kind, suppressed }) => `${kind}: ${suppressed}`);
  for (const line of held) assert.match(line, /^service_outage: rollout failed: incident \d+$/);
  assert.ok(held.length > 0);

  const services = await servicesOf(lab);
  const web = services.find(({ namespace, service }) => namespace === 'shop' && service === 'web');
  assert.equal(web.outages.length, 4);
  assert.ok(web.coverage > 0.7 && web.availability > 0.5 && web.availability < 1, JSON.stringify(web));

  const { text } = await lab.api('/metrics');
  assert.match(text, /^nightjar_service_up\{namespace="default",service="kubernetes"\} 1$/m);
  assert.match(text, /^nightjar_service_availability_ratio\{namespace="default",service="kubernetes",window="1h"\} 1$/m);
  assert.match(text, /^nightjar_rollouts_total\{outcome="done"\} 2$/m);
});

/** Moments right after which the collector dies: each change of an endpoint, and of what causes it. */
const EVENTS = [
  ...['09:14:21.800', '09:14:24.030', '09:14:24.043', '09:14:51.974'],
  ...['09:15:32.081', '09:15:33.237', '09:16:12.152', '09:16:12.186', '09:16:42.403'],
  ...['09:16:47.244', '09:16:48.450', '09:17:02.340', '09:17:02.405', '09:17:33.606'],
  ...['09:17:52.438', '09:17:53.647', '09:18:36.850', '09:18:36.875', '09:18:54.836'],
].map((time) => `2026-11-21T${time}Z`);

/** Half of them in each of two sessions: together every one. */
for (const [session, events] of [EVENTS.filter((_, i) => i % 2 === 0), EVENTS.filter((_, i) => i % 2 === 1)].entries()) {
  labTest(`the same with the collector killed at each event in turn, ${session + 1} of 2`, options, async (lab, t) => {
    await lab.startAll();
    await paceBoth(lab);
    await lab.run();
    for (const event of events) {
      const at = parseTime(event);
      // Slowly, so that the time passes the event by little more than a request takes.
      await lab.waitCluster(`time:${formatTime(at - fromSeconds(0.2), 9)}`);
      await lab.control('clock', { speed: 0.2 });
      await lab.waitCluster(`time:${formatTime(at, 9)}`);
      await lab.control('clock', { speed: 0 });
      t.diagnostic(`${event} kill -9`);
      await lab.collector.kill();
      lab.startCollector();
      await until(async () => (await lab.api('/readyz')).text.includes('[+]kubernetes ok'), {
        what: 'the collector has read its lists',
        programs: [lab.collector],
      });
      await lab.control('clock', { speed: 40 });
    }
    await lab.finish();
    await assertTruth(lab, `killed at ${events.join(' ')}`, TOLERANCE_MS.killed);
  });
}
