/** When the recorded services were available, and why not, through the real programs. */
// alone
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { RECORDING, recordedEvents } from '../lib/lab.js';
import { labTest } from '../lib/lab-test.js';
import { metricSum } from '../lib/prometheus.js';
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

const TOLERANCE_MS = 50;

/** When the Service is deleted. */
const DELETED_AT = '2026-11-21T09:19:08.250Z';

const options = {
  recording: RECORDING,
  speed: 40,
  wecomsim: ['--rate', '1000'],
  collector: (lab) => ({
    notify: { channels: [{ name: 'wecom', type: 'wecom_robot', url_file: lab.robotFile(), rate_per_minute: 1000 }] },
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

function assertOutages(found, truth, what) {
  const show = JSON.stringify(found, null, 1);
  assert.deepEqual(found.map(({ cause }) => cause), truth.map(([, , cause]) => cause), `${what}\n${show}`);
  for (const [index, [from, until]] of truth.entries()) {
    for (const [is, shall] of [[found[index].from, from], [found[index].until, until]]) {
      assert.ok(Math.abs(Date.parse(is) - Date.parse(shall)) <= TOLERANCE_MS, `${what}: ${is} is ${shall}\n${show}`);
    }
  }
}

async function assertTruth(lab, what) {
  assertOutages(await outagesOf(lab, 'ready'), TRUTH, `${what}, by ready`);
  assertOutages(await outagesOf(lab, 'serving'), TRUTH_BY_SERVING, `${what}, by serving`);
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
  const headless = services.find(({ namespace, service }) => namespace === 'shop' && service === 'web-headless');
  assert.deepEqual(headless.outages.map(({ cause }) => cause), TRUTH.map(([, , cause]) => cause), 'it was not away before its slice came');
  assert.ok(web.coverage > 0.7 && web.availability > 0.5 && web.availability < 1, JSON.stringify(web));

  const { text } = await lab.api('/metrics');
  assert.match(text, /^nightjar_service_up\{namespace="default",service="kubernetes"\} 1$/m);
  assert.match(text, /^nightjar_service_availability_ratio\{namespace="default",service="kubernetes",window="1h"\} 1$/m);
  assert.match(text, /^nightjar_rollouts_total\{outcome="done"\} 2$/m);
});

/**
 * Orders in which Kubernetes may tell the same: each watch keeps its own, none waits for another, and a Service may have several
 * slices. By when slices are heard of it is measured, so these come in time, but for a little.
 */
const ORDERS = {
  'pods after slices': ['--lag', 'pods=3'],
  'Deployments late': ['--lag', 'deployments=3'],
  'ReplicaSets late': ['--lag', 'replicasets=3'],
  'Deployments later than their ReplicaSets, Services last': ['--lag', 'deployments=2', '--lag', 'replicasets=1', '--lag', 'services=3'],
  'slices after everything else': ['--lag', 'endpointslices=0.03'],
  'every watch at its own pace': ['--lag', '*=0..3', '--lag', 'endpointslices=0..0.03', '--seed', '1'],
  'every watch at its own pace, with bookmarks': ['--lag', '*=0..3', '--lag', 'endpointslices=0..0.03', '--seed', '2', '--bookmark-interval', '1'],
  'several slices': ['--split-slices', '--seed', '3'],
  'several slices, every watch at its own pace': ['--split-slices', '--lag', '*=0..3', '--lag', 'endpointslices=0..0.03', '--seed', '4'],
};

describe('the same in any order in which Kubernetes tells it', { concurrency: 2 }, () => {
  for (const [order, kubesim] of Object.entries(ORDERS)) {
    labTest(order, { ...options, kubesim }, async (lab) => {
      await lab.startAll();
      await paceBoth(lab);
      await lab.run();
      await lab.finish();
      await assertTruth(lab, order);
    });
  }
});

/** What a slice's trigger dates is right within its second; what nothing dates (a pod's deletion) comes as late as its watch. */
labTest('slices three seconds late', { ...options, kubesim: ['--lag', 'endpointslices=3'] }, async (lab) => {
  await lab.startAll();
  await paceBoth(lab);
  await lab.run();
  await lab.finish();
  for (const [basis, truth] of [['ready', TRUTH], ['serving', TRUTH_BY_SERVING]]) {
    const found = await outagesOf(lab, basis);
    const show = JSON.stringify(found, null, 1);
    assert.deepEqual(found.map(({ cause }) => cause), truth.map(([, , cause]) => cause), show);
    for (const [index, [from, until]] of truth.entries()) {
      for (const [is, shall] of [[found[index].from, from], [found[index].until, until]]) {
        const lateMs = Date.parse(is) - Date.parse(shall);
        assert.ok(lateMs > -1000 && lateMs <= 3000 + TOLERANCE_MS, `${is} is ${shall}\n${show}`);
      }
    }
  }
});

/** What the collector watches, and makes services' states and causes of. */
const WATCHED = ['services', 'endpointslices', 'deployments', 'replicasets'];

/** Every moment at which anything of shop/web changes that the collector watches, in their order. @returns {string[]} RFC 3339 */
function momentsOfWeb() {
  const isOfWeb = ({ metadata: { namespace, name } }) => namespace === 'shop' && /^web(-|$)/.test(name);
  const times = WATCHED.flatMap((resource) => recordedEvents(RECORDING, resource).filter(({ object }) => isOfWeb(object)).map(({ at }) => at));
  return [...new Set(times)].sort();
}

/** Time goes up to there, with all that happens until then and at that moment, and stands still. */
async function goTo(lab, ns) {
  await lab.control('clock', { stopAt: formatTime(ns, 9) });
  await lab.waitCluster('stopped');
}

/** It is back when it has read its lists, watches on, and has heard what it asked of pods. */
async function startAgain(lab) {
  await lab.control('requests?clear=1');
  lab.startCollector();
  await lab.collectorReady();
  const isBack = async () => {
    const { openWatches } = await lab.control('state');
    if (!WATCHED.every((resource) => openWatches[resource] > 0)) return false;
    const asked = metricSum(await lab.collectorMetrics(), 'nightjar_sla_gap_questions_total');
    const answered = (await lab.control('requests')).filter(
      ({ verb, resource, path, status }) => verb === 'list' && resource === 'pods' && /labelSelector/.test(path) && status,
    );
    return asked === answered.length;
  };
  await until(isBack, { what: 'the collector watches on', programs: [lab.collector] });
  for (let i = 0; i < 2; i++) await lab.api('/livez'); // what it was answered it has taken in
}

/** The ways to die of an event. Time stands still from the kill until the collector is back, as it measures by when it hears. */
const DEATHS = {
  /** It was sent, and may be read, thought over or stored, or nothing of that. */
  'right after it was sent': async (lab, at) => {
    await goTo(lab, at);
    await lab.collector.kill();
  },
  /** It finds it in its lists when it is back. */
  'before it, which happens while nobody looks': async (lab, at) => {
    await goTo(lab, at - 1n);
    await lab.collector.kill();
    await goTo(lab, at);
  },
};

/** Of all moments, each session takes every SESSIONS-th: each is taken, and between two kills something is lived through. */
const SESSIONS = 2;

describe('the same with the collector killed at each event in turn', { concurrency: 2 }, () => {
  const moments = momentsOfWeb();
  for (const [how, die] of Object.entries(DEATHS)) {
    for (let session = 0; session < SESSIONS; session++) {
      const own = moments.filter((_, index) => index % SESSIONS === session);
      labTest(`${how}: ${own.length} kills, ${session + 1} of ${SESSIONS}`, options, async (lab) => {
        await lab.startAll();
        await paceBoth(lab);
        await lab.run();
        for (const at of own) {
          await die(lab, parseTime(at));
          await startAgain(lab);
        }
        await lab.control('clock', { stopAt: null });
        await lab.finish();
        await assertTruth(lab, how);
      });
    }
  }
});

/** Seconds for which the collector is away before and after an event. */
const ABSENCES = [
  [0.5, 1.2],
  [2, 3],
  [1, 8],
];

/** Triggers and pods' transitions have whole seconds. */
const WHOLE_SECOND_MS = 1000 + TOLERANCE_MS;

/** Whatever is said of a time further from a change than a second is true, or it is said that nobody knows. */
function assertTrueOrUnknown(intervals, truth, isAvailable, what) {
  const changes = truth.flatMap(([from, until]) => [Date.parse(from), Date.parse(until)]);
  const wasAway = (ms) => truth.some(([from, until]) => ms >= Date.parse(from) && ms < Date.parse(until));
  for (const { from, until, state } of intervals.filter(({ state: is }) => is !== 'unknown')) {
    const end = Math.min(until ? Date.parse(until) : Infinity, Date.parse(DELETED_AT));
    for (let ms = Date.parse(from); ms < end; ms += 10) {
      if (changes.some((change) => Math.abs(ms - change) <= WHOLE_SECOND_MS)) continue;
      const said = `${what}: ${state} from ${from} to ${until}`;
      assert.equal(!isAvailable.includes(state), wasAway(ms), `${said}, at ${new Date(ms).toISOString()}\n${JSON.stringify(intervals, null, 1)}`);
    }
  }
}

describe('where the collector was away while time went on, what is said is true within a second, or unknown', { concurrency: 2 }, () => {
  for (const [beforeS, afterS] of ABSENCES) {
    labTest(`from ${beforeS} s before an event until ${afterS} s after it`, options, async (lab, t) => {
      await lab.startAll();
      await paceBoth(lab);
      await lab.run();
      let awayMs = 0;
      let back = 0n;
      for (const at of momentsOfWeb().map(parseTime)) {
        const leaves = at - fromSeconds(beforeS);
        if (leaves < back + fromSeconds(1)) continue;
        await goTo(lab, leaves);
        await lab.collector.kill();
        back = at + fromSeconds(afterS);
        await goTo(lab, back);
        await startAgain(lab);
        awayMs += (beforeS + afterS) * 1000;
      }
      await lab.control('clock', { stopAt: null });
      await lab.finish();
      const { json } = await lab.api('/api/v1/services/shop/web?from=2026-11-21T09:13:00Z&to=2026-11-21T09:20:00Z');
      assertTrueOrUnknown(json.intervals, TRUTH, ['up', 'degraded'], 'by ready');
      assertTrueOrUnknown(json.intervals, TRUTH_BY_SERVING, ['up', 'degraded', 'draining'], 'by serving');
      const unknown = json.intervals.filter(({ state }) => state === 'unknown');
      const unknownMs = unknown.reduce((sum, { from, until }) => sum + Date.parse(until) - Date.parse(from), 0);
      t.diagnostic(`away for ${awayMs / 1000} s, of which ${unknownMs / 1000} s are unknown`);
      assert.ok(unknownMs < 0.75 * awayMs, 'of a part of it the cluster still knows');
    });
  }
});
