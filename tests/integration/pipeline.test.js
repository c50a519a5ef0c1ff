/** Who hears of what: repeats, escalations, silences, quiet hours, digests, links and marks, with hours and days passing. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { ask, binary } from '../lib/lab.js';
import { labTest } from '../lib/lab-test.js';
import {
  advance, assertTold, BOSS, begin, cluster, comes, DAY, deletePod, endSilence, HOUR, is, killAndRestart, MINUTE, makeService, nowMs,
  ONCALL, pass, persistent, post, settings, silence, silenced,
} from '../lib/pipeline.js';
import { metricSum } from '../lib/prometheus.js';
import { until } from '../lib/wait.js';
import { toYaml } from '../lib/yaml.js';

// ---- what follows the first message

labTest('what nobody looks after is repeated and told further; what is acknowledged, over or silenced is not', { ...cluster, collector: persistent }, async (lab) => {
  const crash = await begin(lab);
  const [acked, ended, quiet, left] = [await crash(), await crash(), await crash(), await crash()];
  for (const incident of [acked, ended, quiet, left]) await comes(lab, incident, ONCALL, 'opened');

  const ack = { by: 'wang', note: 'mine' };
  assert.equal((await post(lab, `/api/v1/incidents/${acked.id}/acknowledge`, ack)).status, 201);
  const second = await post(lab, `/api/v1/incidents/${acked.id}/acknowledge`, { by: 'zhao' });
  assert.deepEqual([second.status, second.json.by], [200, 'wang'], 'the first one counts');
  await deletePod(lab, ended);
  await comes(lab, ended, ONCALL, 'resolved');
  const pause = await silenced(lab, [{ name: 'workload', value: quiet.workload }]);

  await pass(lab, 14 * MINUTE);
  assert.deepEqual(await lab.messages(BOSS), [], 'nobody is woken before the time');
  await advance(lab, 2 * MINUTE);
  await comes(lab, left, BOSS, 'escalated');
  await advance(lab, HOUR);
  await comes(lab, left, ONCALL, 'repeated');
  await lab.settled();
  assert.equal((await lab.messages(BOSS)).length, 1);
  await assertTold(lab, acked, ONCALL, ['opened']);
  await assertTold(lab, ended, ONCALL, ['opened', 'resolved']);
  await assertTold(lab, quiet, ONCALL, ['opened']);

  // What a silence held back comes when it ends.
  assert.equal((await endSilence(lab, pause)).json.state, 'expired');
  await advance(lab, 2 * MINUTE);
  await comes(lab, quiet, BOSS, 'escalated');
  await comes(lab, quiet, ONCALL, 'repeated');

  // The end goes where the beginning went, and nowhere else.
  for (const incident of [acked, quiet, left]) await deletePod(lab, incident);
  for (const incident of [acked, quiet, left]) await comes(lab, incident, ONCALL, 'resolved');
  await lab.settled();
  await assertTold(lab, left, BOSS, ['escalated', 'resolved']);
  await assertTold(lab, acked, BOSS, []);
  await pass(lab, DAY);
  await assertTold(lab, left, ONCALL, ['opened', 'repeated', 'resolved']);
});

// ---- silences

labTest('silences: =, !=, =~ and !~; their ends; and what is refused', { ...cluster, collector: (lab) => settings(lab) }, async (lab) => {
  const crash = await begin(lab);
  const probe = await crash();
  await comes(lab, probe, ONCALL, 'opened');
  const pods = (await ask(`${lab.cluster.api}/api/v1/pods`)).json.items.map(({ metadata }) => metadata.name);
  const next = () => pods[pods.indexOf(probe.pod) - made - 1];
  let made = 0;
  const nextCrash = async () => {
    made++;
    return crash();
  };
  const cases = [
    (pod) => [{ name: 'pod', value: pod }],
    (pod) => [{ name: 'cluster', value: 'lab' }, { name: 'pod', value: `not-${pod}`, isEqual: false }],
    (pod) => [{ name: 'pod', value: `.*${pod.slice(1)}`, isRegex: true }],
    () => [{ name: 'kind', value: 'crash' }, { name: 'pod', value: 'a-pod-of-nobody|another', isRegex: true, isEqual: false }],
  ];
  const held = [];
  for (const matchers of cases) {
    const one = await silenced(lab, matchers(next()));
    const incident = await nextCrash();
    assert.equal(incident.suppressed, `silence ${one.id}`, JSON.stringify(matchers(incident.pod)));
    held.push({ one, incident });
    await endSilence(lab, one);
  }
  // The trouble stays: each is told now, and once.
  for (const { incident } of held) await comes(lab, incident, ONCALL, 'opened');
  // What does not match is told.
  await silenced(lab, [{ name: 'pod', value: `${next()}x` }]);
  await silenced(lab, [{ name: 'pod', value: next().slice(0, -1), isRegex: true }]);
  await silenced(lab, [{ name: 'cluster', value: 'lab' }, { name: 'pod', value: next(), isEqual: false }, { name: 'kind', value: 'node' }]);
  await comes(lab, await nextCrash(), ONCALL, 'opened');

  // One that ends by itself; what is over by then is told to nobody; a restart forgets nothing.
  const soon = new Date((await nowMs(lab)) + HOUR * 1000).toISOString();
  const own = await silenced(lab, [{ name: 'kind', value: 'crash' }], { until: soon });
  const [stays, goes] = [await nextCrash(), await nextCrash()];
  await deletePod(lab, goes);
  await killAndRestart(lab);
  await pass(lab, HOUR - 2 * MINUTE);
  await assertTold(lab, stays, ONCALL, []);
  await advance(lab, 3 * MINUTE);
  await comes(lab, stays, ONCALL, 'opened');
  await pass(lab, MINUTE);
  for (const { incident } of [...held, { incident: stays }]) await assertTold(lab, incident, ONCALL, ['opened']);
  await assertTold(lab, goes, ONCALL, []);
  const { json: kept } = await lab.api(`/api/v1/silences/${own.id}`);
  assert.deepEqual([kept.state, kept.author, kept.reason, kept.until], ['expired', 'li', 'known', soon]);
  assert.equal((await lab.api('/api/v1/silences?state=expired')).json.items.length, cases.length + 1);
  assert.equal((await lab.api('/api/v1/silences?state=active')).json.items.length, 3);
  assert.equal(metricSum(await lab.collectorMetrics(), 'nightjar_silences'), 3);

  const past = new Date((await nowMs(lab)) - HOUR * 1000).toISOString();
  const good = [{ name: 'namespace', value: 'shop' }];
  for (const [matchers, more, words] of [
    [[{ name: 'pod', value: 'web-(', isRegex: true }], {}, /matchers\[0\]\.value: no regular expression: .*parenthes/],
    [[{ name: 'colour', value: 'red' }], {}, /matchers\[0\]\.name: 'colour' is none of kind/],
    [[{ name: 'pod', value: '.*', isRegex: true }], {}, /would match all/],
    [[{ name: 'pod', value: 'x'.repeat(513) }], {}, /at most 512 bytes/],
    [Array.from({ length: 21 }, () => good[0]), {}, /1 to 20/],
    [good, { until: past }, /until: must be later/],
    [good, { from: soon, until: past }, /until: must be later/],
    [good, { from: '2099-01-01T00:00:00Z', until: '2098-01-01T00:00:00Z' }, /until: must be later/],
    [good, { author: '' }, /author/],
    [good, { reason: ' ' }, /reason/],
    [good, { reason: 'x'.repeat(1025) }, /reason: .*1024/],
    [[{ name: 'pod', value: 'x' }], { maintenance: true }, /maintenance: goes with matchers of cluster, project, .* matchers\[0\] is of pod/],
    [good, { maintenance: true, from: past }, /maintenance cannot begin before now/],
  ]) {
    const { status, text } = await silence(lab, matchers, more);
    assert.equal(status, 400, text);
    assert.match(text, words);
  }
  assert.equal((await lab.api('/api/v1/silences/99', { method: 'DELETE' })).status, 404);
});

// ---- maintenance

labTest('what is away within a silence of maintenance is planned, to the moment and across restarts', { ...cluster, collector: (lab) => settings(lab) }, async (lab) => {
  await begin(lab);
  const pod = (await ask(`${lab.cluster.api}/api/v1/pods`)).json.items[0].metadata;
  const setReady = await makeService(lab, pod);
  const began = new Date(await nowMs(lab)).toISOString();
  await pass(lab, HOUR);

  // Down an hour, of which the window takes the half hour in the middle; the collector is away when it ends.
  const from = (await nowMs(lab)) + 15 * MINUTE * 1000;
  const window = { from: new Date(from).toISOString(), until: new Date(from + 30 * MINUTE * 1000).toISOString(), maintenance: true };
  const { id, maintenance } = await silenced(lab, [{ name: 'namespace', value: pod.namespace }, { name: 'service', value: 'we.', isRegex: true }], window);
  assert.equal(maintenance, true);
  await setReady(false);
  const outage = await until(async () => {
    await advance(lab, 2);
    return (await lab.incidents({ kind: 'service_outage' }))[0];
  }, { what: 'an outage', programs: [lab.collector] });
  await comes(lab, outage, ONCALL, 'opened');
  await pass(lab, 20 * MINUTE);
  await lab.collector.kill();
  await advance(lab, 30 * MINUTE);
  lab.startCollector();
  await lab.collectorReady();
  await pass(lab, 10 * MINUTE);
  await setReady(true);
  await pass(lab, HOUR);

  const query = `from=${began}&to=${new Date(await nowMs(lab)).toISOString()}`;
  const { json: sla } = await lab.api(`/api/v1/services/${pod.namespace}/web/sla?${query}`);
  const { json: outages } = await lab.api(`/api/v1/services/${pod.namespace}/web/outages?${query}`);
  const show = JSON.stringify([sla, outages], null, 1);
  const range = sla.total;
  assert.ok(Math.abs(range.plannedSeconds - 30 * MINUTE) < 1, `half an hour was planned: ${show}`);
  assert.ok(range.availabilityWithoutPlanned > range.availability && range.availabilityWithoutPlanned < 1, show);
  // Of another service nothing is planned by it, and it is over.
  assert.equal((await lab.api(`/api/v1/silences/${id}`)).json.state, 'expired');
});

// ---- quiet hours, digests

/** An offset from UTC in which it is about this hour now, "+07:00". */
function zoneOf(hour) {
  const offset = ((hour - new Date().getUTCHours() + 36) % 24) - 12;
  return `${offset < 0 ? '-' : '+'}${String(Math.abs(offset)).padStart(2, '0')}:00`;
}

const NIGHT = zoneOf(23);

const clockIn = (zone, ms) => {
  const [, sign, hours] = /^([+-])(\d\d)/.exec(zone);
  return new Date(ms + (sign === '-' ? -1 : 1) * Number(hours) * HOUR * 1000).toISOString().slice(11, 16);
};

labTest('quiet hours over midnight: what is severe is told, the rest once in the morning; groups are told apart', {
  ...cluster,
  collector: (lab) => settings(lab, {
    routes: [
      { group: 'night', namespace: 'team-1', channels: ['wecom'], quiet: { from: '22:00', to: '07:00', zone: NIGHT, below: 'critical' } },
      { group: 'day', channels: ['boss'] },
    ],
  }),
}, async (lab) => {
  const crash = await begin(lab);
  const pods = (await ask(`${lab.cluster.api}/api/v1/pods`)).json.items.map(({ metadata }) => metadata);
  const found = { night: [], day: [] };
  while (found.night.length < 4 || found.day.length < 1) {
    const incident = await crash();
    found[incident.namespace === 'team-1' ? 'night' : 'day'].push(incident);
  }
  for (const incident of found.day) await comes(lab, incident, BOSS, 'opened');
  await deletePod(lab, found.night[0]);
  await killAndRestart(lab);
  await lab.settled({ told: false });
  assert.deepEqual(await lab.messages(ONCALL), []);
  const setReady = await makeService(lab, pods.find(({ namespace }) => namespace === 'team-1'));
  await setReady(false);
  await advance(lab, 10);
  const outage = await until(async () => (await lab.incidents({ kind: 'service_outage' }))[0], { what: 'an outage', programs: [lab.collector] });
  assert.equal(outage.severity, 'critical');
  await comes(lab, outage, ONCALL, 'opened');
  const waits = async ({ id }) => (await lab.api(`/api/v1/incidents/${id}/notifications`)).json.items.map(({ transition, status }) => `${transition} ${status}`);
  assert.deepEqual(await waits(found.night[0]), ['resolved held', 'opened held']);
  assert.deepEqual(await waits(found.night[1]), ['opened held']);
  // To five minutes before the end, which is on the next day.
  const now = await nowMs(lab);
  const [hours, minutes] = clockIn(NIGHT, now).split(':').map(Number);
  const leftS = ((24 + 7 - hours) % 24) * HOUR - minutes * MINUTE;
  await advance(lab, leftS - 5 * MINUTE);
  await lab.settled({ told: false });
  for (const incident of found.night) await assertTold(lab, incident, ONCALL, []);
  await advance(lab, 6 * MINUTE);
  for (const incident of found.night) await comes(lab, incident, ONCALL, 'digest');
  await lab.settled();
  const messages = (await lab.messages(ONCALL)).filter(({ text }) => !is(outage).test(text));
  assert.equal(messages.length, 1, 'as one');
  assert.match(messages[0].text, /Alert group: night/);
  assert.equal(clockIn(NIGHT, Date.parse(messages[0].at)).slice(0, 3), '07:');
  for (const incident of found.day) await assertTold(lab, incident, ONCALL, []);
});

labTest('the day is told once, folded by cause, at its time of day in its zone', {
  ...cluster,
  collector: (lab) => settings(lab, { digest: { at: '09:00', zone: 'Asia/Shanghai', channels: ['boss'] } }),
}, async (lab) => {
  const crash = await begin(lab);
  const alike = [];
  for (let index = 0; index < 5; index++) alike.push(await crash());
  const other = await crash({ exitCode: 1 });
  for (const incident of [...alike, other]) await comes(lab, incident, ONCALL, 'opened');
  const now = await nowMs(lab);
  const [hours, minutes] = clockIn('+08:00', now).split(':').map(Number);
  const leftS = ((24 + 9 - hours) * HOUR - minutes * MINUTE) % DAY;
  if (leftS > 5 * MINUTE) await pass(lab, leftS - 2 * MINUTE);
  assert.deepEqual((await lab.messages(BOSS)).filter(({ text }) => is(other).test(text)), [], 'not before nine');
  await advance(lab, 5 * MINUTE);
  await comes(lab, other, BOSS, 'digest');
  await killAndRestart(lab);
  await pass(lab, HOUR);
  const [digest, ...more] = (await lab.messages(BOSS)).filter(({ text }) => is(other).test(text));
  assert.deepEqual(more, [], 'it is told once');
  assert.equal(clockIn('+08:00', Date.parse(digest.at)).slice(0, 4), '09:0');
  assert.match(digest.text, /\[Digest\] 6 alerts, 0 resolved/);
  assert.match(digest.text, /5 of them ×5: 3 Error/);
  for (const { namespace, workload, id } of alike) assert.ok(digest.text.includes(`${namespace}/${workload} #${id}`), digest.text);
  assert.match(digest.text, new RegExp(`> \\[Critical\\] Container crashes lab\\.\\S+\\.${other.workload} ×1: 1 Error.* #${other.id}`));
});

// ---- links and marks

const LINK = /\]\((http[^)]*\/(ack|mark)\/(\d+)\?t=([^)&]*)[^)]*)\)/g;

/** The links of a message. @returns {Promise<{ack: string, mark: string}>} */
async function linksOf(lab, incident) {
  const { text } = (await lab.messages(ONCALL)).find((message) => is(incident).test(message.text));
  const links = Object.fromEntries([...text.matchAll(LINK)].map(([, url, kind]) => [kind, url]));
  assert.deepEqual(Object.keys(links).sort(), ['ack', 'mark'], text);
  return links;
}

async function submit(url, form = '') {
  const response = await fetch(url, { method: 'POST', body: form, headers: { 'content-type': 'application/x-www-form-urlencoded' } });
  return { status: response.status, text: await response.text() };
}

labTest('links acknowledge and mark by a button alone, and are good for nothing else', { ...cluster, collector: persistent }, async (lab) => {
  const crash = await begin(lab);
  const [one, other] = [await crash(), await crash()];
  for (const incident of [one, other]) await comes(lab, incident, ONCALL, 'opened');
  const links = await linksOf(lab, one);
  const acknowledged = async ({ id }) => (await lab.api(`/api/v1/incidents/${id}/acknowledge`)).status === 200;

  // A preview of the link does not acknowledge.
  for (const method of ['GET', 'HEAD']) assert.equal((await fetch(links.ack, { method })).status, 200);
  assert.equal(await acknowledged(one), false);
  const refused = [
    links.ack.replace(/\?t=.*/, ''),
    links.ack.replace(/\?t=./, '?t='),
    links.ack.replace(/t=(.)/, (_, first) => `t=${first === 'A' ? 'B' : 'A'}`),
    links.ack.replace(`/ack/${one.id}`, `/ack/${other.id}`),
    links.mark.replace('/mark/', '/ack/'),
    links.ack.replace('/ack/', '/mark/'),
    links.ack.replace(`/ack/${one.id}`, '/ack/99'),
  ];
  for (const url of refused) {
    assert.equal((await submit(url)).status, 403, url);
    assert.equal((await fetch(url)).status, 403, url);
  }
  assert.equal(await acknowledged(one), false);
  assert.equal(await acknowledged(other), false);

  // It outlives a restart; the second to press hears that it was acknowledged before.
  await killAndRestart(lab);
  const pressed = await submit(links.ack);
  assert.equal(pressed.status, 200, pressed.text);
  assert.match(pressed.text, /nobody is reminded/);
  assert.match((await submit(links.ack)).text, /acknowledged before/);
  assert.equal(await acknowledged(one), true);
  await advance(lab, 2 * HOUR);
  await comes(lab, other, BOSS, 'escalated');
  await comes(lab, other, ONCALL, 'repeated');
  await lab.settled();
  await assertTold(lab, one, ONCALL, ['opened']);
  await assertTold(lab, one, BOSS, []);

  assert.equal((await fetch(links.mark)).status, 200);
  assert.equal((await submit(links.mark, 'verdict=perhaps')).status, 400);
  assert.deepEqual((await lab.api('/api/v1/rules')).json.items.map(({ useful, noise }) => [useful, noise]), [[0, 0]]);
  assert.equal((await submit(links.mark, 'verdict=noise')).status, 200);
  assert.equal((await submit(links.mark, 'verdict=useful')).status, 200, 'it may be thought over');
  const [rule] = (await lab.api('/api/v1/rules')).json.items;
  assert.deepEqual([rule.useful, rule.noise, rule.precision], [1, 0, 1]);
});

for (const demote of [false, true]) {
  labTest(`a rule that brings more noise than use is ${demote ? 'told in the digest alone, by setting' : 'flagged'}`, {
    ...cluster,
    agent: { crash: { stable_after: '2m' } },
    collector: (lab) => settings(lab, { demote, digest: { at: '09:00', channels: ['boss'] } }),
  }, async (lab) => {
    const crash = await begin(lab);
    const rule = async () => (await lab.api('/api/v1/rules')).json.items.find(({ reason }) => reason === 'Error');
    const mark = async ({ id }, verdict) => {
      const { status, text } = await post(lab, `/api/v1/incidents/${id}/mark`, { by: 'li', verdict });
      assert.equal(status, 200, text);
    };
    // Old noise does not count beside twenty of use...
    const incidents = [];
    for (let index = 0; index < 26; index++) incidents.push(await crash({ restartAfter: index === 0 ? null : 0 }));
    for (const [index, incident] of incidents.slice(0, 25).entries()) {
      await advance(lab, 1);
      await mark(incident, index < 5 ? 'noise' : 'useful');
    }
    let now = await rule();
    assert.deepEqual([now.useful, now.noise, now.latestPrecision, now.flagged], [20, 5, 1, false]);
    // ...but what was said last does.
    for (const [index, incident] of incidents.slice(5, 16).entries()) {
      await advance(lab, 1);
      if (index === 10) assert.equal((await rule()).flagged, false, 'at a half it is not');
      await mark(incident, 'noise');
    }
    now = await rule();
    assert.deepEqual([now.latestPrecision < 0.5, now.flagged, now.demoted], [true, true, demote], JSON.stringify(now));
    assert.equal(metricSum(await lab.collectorMetrics(), 'nightjar_rules_flagged'), 1);
    await lab.settled();
    const late = await crash();
    await lab.settled();
    await assertTold(lab, late, ONCALL, demote ? [] : ['opened']);
    await killAndRestart(lab);
    const later = await crash();
    await lab.settled();
    await assertTold(lab, later, ONCALL, demote ? [] : ['opened']);

    // All but those that are down are well again in minutes by themselves.
    await pass(lab, 4 * MINUTE);
    now = await rule();
    assert.equal(now.count, 28);
    assert.equal(now.resolved, 25);
    assert.equal(now.resolvedByItself, 1);
    assert.ok(now.medianSeconds >= 2 * MINUTE && now.medianSeconds < 5 * MINUTE, `${now.medianSeconds}`);
    await pass(lab, DAY);
    await comes(lab, late, BOSS, 'digest');
    await comes(lab, later, BOSS, 'digest');
  });
}

// ---- what goes wrong

labTest('what a channel refuses is a dead letter, in REST and metrics; the rate of one channel holds up no other', {
  ...cluster,
  collector: (lab) => {
    fs.writeFileSync(lab.path('refusing'), `${lab.wecom.url}/nobody-is-here`);
    const { channels } = settings(lab).notify;
    return settings(lab, {
      channels: [...channels.slice(0, 1), { ...channels[1], rate_per_minute: 2 }, { name: 'crm', type: 'webhook', url_file: lab.path('refusing') }],
      routes: [{ group: 'oncall', channels: ['wecom', 'boss', 'crm'] }],
    });
  },
}, async (lab) => {
  const crash = await begin(lab);
  const incidents = [];
  for (let index = 0; index < 6; index++) incidents.push(await crash());
  for (const incident of incidents) await comes(lab, incident, ONCALL, 'opened');
  const dead = await until(async () => {
    const items = (await lab.openNotifications()).filter(({ status }) => status === 'failed');
    return items.length === incidents.length && items;
  }, { what: 'dead letters', programs: [lab.collector] });
  for (const { channel, error, incidentId, transition } of dead) {
    assert.deepEqual([channel, transition, incidents.some(({ id }) => id === incidentId)], ['crm', 'opened', true]);
    assert.match(error, /^webhook: HTTP status 4\d\d$/);
  }
  const metrics = async (name, label) => metricSum(await lab.collectorMetrics(), name, label);
  assert.equal(await metrics('nightjar_notifications_total', 'channel="crm",status="failed"'), incidents.length);
  assert.equal(await metrics('nightjar_notification_attempts_total', 'channel="crm",outcome="refused"'), incidents.length);

  // Two go one by one, the rest as one when the minute is over.
  await lab.settled({ told: false });
  assert.equal((await lab.messages(BOSS)).length, 2);
  await until(async () => (await metrics('nightjar_notifications_waiting', 'channel="boss"')) === 4, { what: 'four wait for the next minute' });
  await advance(lab, MINUTE + 1);
  await lab.settled();
  const messages = await lab.messages(BOSS);
  assert.equal(messages.length, 3);
  assert.match(messages[2].text, /\[Digest\] 4 alerts, 0 resolved[^]*4 of them ×4/);
  for (const incident of incidents) {
    assert.equal(messages.filter(({ text }) => is(incident).test(text)).length, 1, `#${incident.id} is in one of them`);
  }
  assert.equal(await metrics('nightjar_notifications_folded_total'), 4);
});

const CHANNELS = [{ name: 'ops', type: 'webhook', url_file: '/nowhere' }];
const route = (more) => ({ channels: CHANNELS, routes: [{ group: 'oncall', channels: ['ops'], ...more }] });

for (const [what, notify, words] of [
  ['a key of notify', { storms: 1 }, /settings\.yaml:\d+: .*storms/],
  ['a key of a channel', { channels: [{ ...CHANNELS[0], colour: 'red' }] }, /settings\.yaml:\d+: .*colour/],
  ['a key of a route', route({ chanels: ['ops'] }), /settings\.yaml:\d+: .*chanels/],
  ['a key of escalate', route({ escalate: { when: '1h' } }), /settings\.yaml:\d+: .*when/],
  ['a type of channel', { channels: [{ ...CHANNELS[0], type: 'pigeon' }] }, /type.*wecom_robot.*webhook.*alertmanager/],
  ['a channel without a name', { channels: [{ type: 'webhook', url_file: '/nowhere' }] }, /notify\.channels\[0\]: name is missing/],
  ['two of one name', { channels: [...CHANNELS, ...CHANNELS] }, /notify\.channels\[1\]: the name "ops" is used twice/],
  ['a channel without its file', { channels: [{ name: 'ops', type: 'webhook' }] }, /notify\.channels\[0\]: a webhook needs url_file/],
  ['a user without a password', { channels: [{ ...CHANNELS[0], user: 'me' }] }, /notify\.channels\[0\]: user is of .*secret_file/],
  ['a fail-over', { channels: [{ ...CHANNELS[0], failover: 'opps' }] }, /notify\.channels\[0\]: failover names "opps", which is no channel/],
  ['fail-overs in a circle', { channels: [{ ...CHANNELS[0], failover: 'ops' }] }, /notify\.channels\[0\]: the fail-overs of "ops" go in a circle/],
  ['a channel of a route', { channels: CHANNELS, routes: [{ channels: ['opps'] }] }, /notify\.routes\[0\]: "opps" is no channel/],
  ['a route to nobody', { channels: CHANNELS, routes: [{ group: 'a' }] }, /notify\.routes\[0\]: channels is empty/],
  ['a channel of escalate', route({ escalate: { after: '5m', channels: ['opps'] } }), /notify\.routes\[0\]\.escalate: "opps" is no channel/],
  ['escalate without a time', route({ escalate: { channels: ['ops'] } }), /notify\.routes\[0\]\.escalate: needs both after and channels/],
  ['a duration', route({ repeat: 'often' }), /settings\.yaml:\d+: .*repeat/],
  ['a severity', route({ severity: 'dire' }), /notify\.routes\[0\]: severity "dire" is not info, warning or critical/],
  ['a kind', route({ kind: 'crahs' }), /notify\.routes\[0\]: kind "crahs" is no kind of incident/],
  ['a time of quiet hours', route({ quiet: { from: '25:00', to: '07:00' } }), /notify\.routes\[0\]\.quiet: "25:00" is no time of day such as/],
  ['quiet hours without an end', route({ quiet: { from: '22:00' } }), /notify\.routes\[0\]\.quiet: needs both from and to/],
  ['quiet hours of no length', route({ quiet: { from: '22:00', to: '22:00' } }), /quiet: from and to are the same/],
  ['a zone', route({ quiet: { from: '22:00', to: '07:00', zone: 'Asia/Shangai' } }), /notify\.routes\[0\]\.quiet: .*Asia\/Shangai/],
  ['what quiet hours let through', route({ quiet: { from: '22:00', to: '07:00', below: 'info' } }), /notify\.routes\[0\]\.quiet\.below: "info" is neither/],
  ['the time of the digest', { channels: CHANNELS, digest: { at: '9', channels: ['ops'] } }, /notify\.digest: "9" is no time of day such as 09:00/],
  ['a channel of the digest', { channels: CHANNELS, digest: { at: '09:00', channels: ['opps'] } }, /notify\.digest\.channels: "opps" is no channel/],
  ['a digest for nobody', { channels: CHANNELS, digest: { at: '09:00' } }, /notify\.digest: needs both at and channels/],
  ['demoting without a digest', { channels: CHANNELS, demote: true }, /notify\.demote: needs notify\.digest/],
]) {
  test(`settings: ${what} that cannot be is said, with its place`, (t) => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nightjar-pipeline-'));
    t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
    const file = path.join(folder, 'settings.yaml');
    fs.writeFileSync(file, toYaml({ cluster: 'lab', notify }));
    const { status, stderr } = spawnSync(binary('nightjar-collector'), ['--config', file, '--check-config'], { encoding: 'utf8', timeout: 60_000 });
    assert.equal(status, 78, stderr);
    assert.match(stderr, words);
  });
}
