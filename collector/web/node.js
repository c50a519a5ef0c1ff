// One node: its conditions and taints, what its pods ask for and use, and why it could be lost or not.

import { badge, breakable, element, facts, moment, place, refill, row, sideways, table } from './elements.js';
import { lossOf, millis, readyBadges } from './nodes.js';
import { workloadLink } from './resources.js';
import { get, NotFound } from './rest.js';
import { bytes, columnOf, percent, text } from './words.js';

const LOOK_MS = 30_000;
const PODS = 500; // a node has 110 as a rule

const share = (amount, of, write) => `${write(amount)}${of === null ? '' : ` (${percent(of)})`}`;
const well = (type, status) => (type === 'Ready' ? status === 'True' : status === 'False');

function examplesOf({ examples }) {
  if (!examples.length) return '';
  return element('ul', {}, ...examples.map(({ namespace, pod, why }) => element('li', {}, element('b', {}, ...breakable(`${namespace}/${pod}`)), ' ', element('span', { className: 'aside', lang: 'en' }, why))));
}

const wayOf = (way) => [element('span', { className: way.unplaceable ? 'critical' : '' }, text('unplaceable', way.unplaceable)), examplesOf(way)];

function forecastOf(loss) {
  const { words, level } = lossOf(loss);
  return [
    element('h3', {}, text('forecast')), element('p', { className: `lead ${level}` }, `${text('ifLost')}: ${words}`),
    ...(loss ? [facts([
      [text('byRequests'), wayOf(loss.byRequests)], [text('byUse'), wayOf(loss.byUse)],
      [text('nextToFall'), loss.next ? [element('a', { href: `/nodes/${encodeURIComponent(loss.next)}`, data: { key: 'next' } }, ...breakable(loss.next)),
        loss.nextMemoryUse === null ? '' : ` ${text('memory')} ${percent(loss.nextMemoryUse)}`] : ''],
      [text('falling'), loss.falling.length ? [loss.falling.join(', '), ' ', text('fallingPods', loss.fallingUnplaceable)] : ''],
      [text('movable'), loss.podsMovable], [text('fixed'), loss.podsFixed], [text('unchecked'), loss.podsUnchecked],
      [text('forecastAt'), moment(loss.forecastAt)]])] : [])];
}

function podsOf(pods) {
  const heads = [[text('pod'), 'wide where'], [text('workload'), 'wide'], [text('moves')],
    ...['cpu', 'memory'].flatMap((metric) => ['request', 'limit', 'used'].map((name, i) => [`${text(metric)} ${columnOf(name)}`, i ? 'number' : 'number first', columnOf(name)]))];
  const amount = (value, write) => (value === null || value === 0 ? '–' : write(value));
  const most = [...pods].sort((a, b) => b.memoryRequestBytes - a.memoryRequestBytes || a.name.localeCompare(b.name)).slice(0, PODS);
  const rows = most.map((pod) => row({}, heads, [
    breakable(`${pod.namespace}/${pod.name}`),
    pod.workload ? [element('a', { href: workloadLink(pod), data: { key: `pod-${pod.uid}` } }, ...breakable(pod.workload)), element('span', { className: 'aside' }, ` ${pod.workloadKind}`)] : '',
    text(pod.movable ? 'yes' : 'no'), amount(pod.cpuRequestMillis, millis), amount(pod.cpuLimitMillis, millis), amount(pod.cpuUseMillis, millis),
    amount(pod.memoryRequestBytes, bytes), amount(pod.memoryLimitBytes, bytes), amount(pod.memoryUseBytes, bytes)]));
  return sideways(text('pods'), table(text('pods'), heads, rows, [['', 3], [text('cpu'), 3], [text('memory'), 3]]).made);
}

function conditionsOf(conditions) {
  const heads = [[text('type')], [text('status')], [text('reason'), 'wide'], [text('since')]];
  return table(text('conditions'), heads, conditions.map(({ type, status, reason, message, sinceAt }) => row({}, heads, [
    type, badge(well(type, status) ? 'resolved' : status === 'Unknown' ? 'warning' : 'critical', status),
    [reason, element('span', { className: 'aside', lang: 'en' }, ` ${message}`)], moment(sinceAt)]))).made;
}

/** @param {{fail: (error: Error) => void, refresh: () => Promise<void>}} page */
export function makeNode(name, page) {
  const title = element('h2');
  const about = element('section');
  const forecast = element('section');
  const conditions = element('section');
  const pods = element('section');
  place('main').replaceChildren(element('p', {}, element('a', { href: '/nodes' }, `← ${text('allNodes')}`)), title,
    element('div', { className: 'columns' }, element('div', {}, about), element('div', {}, forecast, conditions)), pods);
  document.title = `${name} · ${text('nodes')} · Nightjar`;

  async function load() {
    const node = await get(`/api/v1/nodes/${encodeURIComponent(name)}`).catch((error) => {
      if (error instanceof NotFound) return null;
      throw error;
    });
    title.replaceChildren(...(node ? [...readyBadges(node), ' '] : []), ...breakable(name));
    if (!node) {
      refill(about, element('p', { className: 'aside' }, text('noNode')));
      for (const section of [forecast, conditions, pods]) section.replaceChildren();
      return;
    }
    const { allocatable, ofAllocatable: of } = node;
    const pairs = (metric, write, unit) => [
      [columnOf('allocatable'), allocatable && write(allocatable[`${metric}${unit}`])], [columnOf('requested'), share(node[`${metric}Request${unit}`], of[`${metric}Request`], write)],
      [columnOf('promised'), share(node[`${metric}Limit${unit}`], of[`${metric}Limit`], write)], [columnOf('used'), share(node[`${metric}Use${unit}`], of[`${metric}Use`], write)],
      [columnOf('waste'), write(node[`${metric}Waste${unit}`])], [text('nodeOwn'), node[`node${metric === 'cpu' ? 'Cpu' : 'Memory'}Use${unit}`] === null ? '' : write(node[`node${metric === 'cpu' ? 'Cpu' : 'Memory'}Use${unit}`])]];
    refill(about, element('h3', {}, text('cpu')), facts(pairs('cpu', millis, 'Millis')), element('h3', {}, text('memory')), facts(pairs('memory', bytes, 'Bytes')),
      element('h3', {}, text('pods')), facts([
        [text('pods'), text('podsOf', node.podsTotal, allocatable?.pods)], ['', node.podsUnmeasured ? text('unmeasured', node.podsUnmeasured) : ''],
        [text('kubelet'), node.kubeletVersion], [text('created'), moment(node.createdAt)], [text('measured'), moment(node.measuredAt)]]));
    refill(forecast, ...forecastOf(node.loss));
    refill(conditions, element('h3', {}, text('conditions')), conditionsOf(node.conditions),
      ...(node.taints.length ? [element('h3', {}, text('taints')), element('p', {}, ...node.taints.flatMap(({ key, value, effect }) => [element('code', {}, `${key}${value ? `=${value}` : ''}:${effect}`), ' ']))] : []));
    refill(pods, element('h3', {}, text('pods')), podsOf(node.pods));
  }

  let soon = null;
  function change({ node }) {
    if (node === name) soon ??= setTimeout(() => { soon = null; page.refresh(); }, 1000);
  }
  return { load, change, look: load, lookMs: LOOK_MS };
}
