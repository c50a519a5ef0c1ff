// Nodes: what they promise and use, and which could be lost; and how namespaces oversell and waste.

import { aside, badge, breakable, element, place, refill, refillFolds, row, sideways, table } from './elements.js';
import { get } from './rest.js';
import { nodeLink } from './resources.js';
import { bytes, columnOf, cores, percent, text } from './words.js';

const PAGE = 200; // nodes, or namespaces, that are asked for at once
const MOST = 1000; // that REST gives at once
const CRITICAL = 10; // nodes that the forecast names at the top
const NOTHING = '–';

const or = (value, write) => (value === null ? NOTHING : write(value));
export const millis = (count) => cores(count / 1000);
const known = (values) => Object.fromEntries(Object.entries(values).filter(([, value]) => value));

/** Whether it is well: ready, in trouble, cordoned. */
export function readyBadges({ ready, unschedulable, troubles }) {
  const names = troubles.filter((trouble) => trouble !== 'Ready');
  return [
    ready === null ? badge('info', text('unknown')) : ready ? badge('resolved', text('ready')) : badge('critical', text('notReady')),
    ...names.flatMap((name) => [' ', badge('warning', name)]), ...(unschedulable ? [' ', badge('info', text('cordoned'))] : [])];
}

/** What losing it would do, in a few words: the worst of it. */
export function lossOf(loss) {
  if (!loss) return { words: text('notForecast'), level: 'aside' };
  const { byRequests, byUse, falling, podsMovable } = loss;
  if (byRequests.unplaceable) return { words: text('lossUnplaceable', byRequests.unplaceable), level: 'critical' };
  if (falling.length) return { words: text('lossFalls', falling.join(', ')), level: 'critical' };
  if (byUse.unplaceable) return { words: text('lossTight', byUse.unplaceable), level: 'warning' };
  return { words: text(podsMovable ? 'lossFits' : 'lossNone'), level: 'resolved' };
}

/** A share beside the amount that it is of; more than all of it is marked where that is a promise that cannot be kept. */
const shared = (amount, share, write, isBad) => [
  element('span', {}, write(amount)), share === null ? '' : element('span', { className: isBad?.(share) ? 'warning' : 'aside' }, ` ${percent(share)}`)];
/** None is known of pods that were not measured. */
const isMeasured = ({ podsTotal, podsUnmeasured }) => podsTotal === 0 || podsUnmeasured < podsTotal;
const used = (of, ...rest) => (isMeasured(of) ? shared(...rest) : NOTHING);
const isOver = (share) => share > 1;
const isFull = (share) => share > 0.9;

function forecastOf({ at, nodesUsable, nodesCritical, notLookedAt, items, nextCursor }) {
  if (!at) return [element('p', { className: 'aside' }, text('forecastNone'))];
  const words = nodesCritical ? text('forecastBad', nodesCritical, nodesUsable) : text(nodesUsable < 2 ? 'forecastFew' : 'forecastFine', nodesUsable);
  return [
    element('p', { className: nodesCritical ? 'lead warning' : 'lead' }, words),
    ...(items.length ? [element('ul', {}, ...items.map((loss) => element('li', {},
      element('a', { href: nodeLink(loss.node), data: { key: `loss-${loss.node}` } }, ...breakable(loss.node)), ': ', lossOf(loss).words)),
    ...(nextCursor ? [element('li', {}, '…')] : []))] : []),
    ...(notLookedAt.length ? [element('p', { className: 'aside' }, text('notLookedAt', notLookedAt.join(', ')))] : [])];
}

/** As REST pages them: the first page again, or a page more. */
function makePaged(path) {
  let items = [];
  let next = null;
  async function load(cursor) {
    const limit = cursor ? PAGE : Math.min(MOST, Math.max(PAGE, items.length));
    const answer = await get(`${path}?${new URLSearchParams(known({ limit, cursor }))}`);
    items = cursor ? [...items, ...answer.items] : answer.items;
    next = answer.nextCursor;
  }
  return { load: () => load(), more: () => load(next), items: () => items, hasMore: () => next !== null };
}

/** @param {{fail: (error: Error) => void, refresh: () => Promise<void>}} page */
export function makeNodes(page) {
  const nodes = makePaged('/api/v1/nodes');
  const namespaces = makePaged('/api/v1/namespaces');
  const forecast = element('section');
  const summary = element('p', { role: 'status', className: 'aside' });
  const list = element('div');
  const ofNamespaces = element('section');
  place('main').replaceChildren(forecast, summary, list, ofNamespaces);
  document.title = `${text('nodes')} · Nightjar`;

  const moreOf = (paged, key, render) => (paged.hasMore()
    ? [element('button', { type: 'button', data: { key }, onclick: () => paged.more().then(render).catch(page.fail) }, text('more'))] : []);

  function renderNodes() {
    const isBad = ({ ready, troubles, loss }) => (ready === false ? 4 : 0) + (troubles.length ? 2 : 0) + (lossOf(loss).level === 'critical' ? 1 : 0);
    const shown = [...nodes.items()].sort((a, b) => isBad(b) - isBad(a) || a.name.localeCompare(b.name, undefined, { numeric: true }));
    const heads = [[text('node'), 'wide where'], [text('state')], [text('ifLost')], [text('pods'), 'number'],
      ...['cpu', 'memory'].flatMap((metric) => [[`${text(metric)} ${columnOf('allocatable')}`, 'number first', columnOf('allocatable')],
        ...['requested', 'promised', 'used'].map((name) => [`${text(metric)} ${columnOf(name)}`, 'number', columnOf(name)])])];
    const rows = shown.map((node) => {
      const { name, allocatable, podsTotal, podsUnmeasured, ofAllocatable: of } = node;
      const { words, level } = lossOf(node.loss);
      return row({}, heads, [
        element('a', { href: nodeLink(name), data: { key: `node-${name}` } }, ...breakable(name)), readyBadges(node), element('span', { className: level }, words),
        [text('podsOf', podsTotal, allocatable?.pods), podsUnmeasured ? element('div', { className: 'aside' }, text('unmeasured', podsUnmeasured)) : ''],
        or(allocatable && allocatable.cpuMillis, millis), shared(node.cpuRequestMillis, of.cpuRequest, millis, isOver), shared(node.cpuLimitMillis, of.cpuLimit, millis), used(node, node.cpuUseMillis, of.cpuUse, millis, isFull),
        or(allocatable && allocatable.memoryBytes, bytes), shared(node.memoryRequestBytes, of.memoryRequest, bytes, isOver), shared(node.memoryLimitBytes, of.memoryLimit, bytes, isOver), used(node, node.memoryUseBytes, of.memoryUse, bytes, isFull)]);
    });
    const bad = shown.filter(({ ready, troubles }) => ready === false || troubles.length).length;
    summary.textContent = rows.length ? text('countNodes', `${rows.length}${nodes.hasMore() ? '+' : ''}`, bad) : text('noNodes');
    const groups = [['', 4], [text('cpu'), 4], [text('memory'), 4]];
    refill(list, ...(rows.length ? [sideways(text('allNodes'), table(text('allNodes'), heads, rows, groups).made)] : []), ...moreOf(nodes, 'more-nodes', renderNodes));
  }

  function renderNamespaces() {
    const heads = [[text('namespace'), 'wide where'], [text('pods'), 'number'],
      ...['cpu', 'memory'].flatMap((metric) => ['requested', 'promised', 'used', 'waste'].map((name, i) => [`${text(metric)} ${columnOf(name)}`, i ? 'number' : 'number first', columnOf(name)]))];
    const rows = namespaces.items().map((use) => row({}, heads, [
      element('a', { href: `/resources?${new URLSearchParams({ namespace: use.name })}`, data: { key: `namespace-${use.name}` } }, ...breakable(use.name)), String(use.podsTotal),
      millis(use.cpuRequestMillis), shared(use.cpuLimitMillis, use.ofRequest.cpuLimit, millis), used(use, use.cpuUseMillis, use.ofRequest.cpuUse, millis, isOver), isMeasured(use) ? millis(use.cpuWasteMillis) : NOTHING,
      bytes(use.memoryRequestBytes), shared(use.memoryLimitBytes, use.ofRequest.memoryLimit, bytes), used(use, use.memoryUseBytes, use.ofRequest.memoryUse, bytes, isOver), isMeasured(use) ? bytes(use.memoryWasteBytes) : NOTHING]));
    const groups = [['', 2], [text('cpu'), 4], [text('memory'), 4]];
    refill(ofNamespaces, ...(rows.length ? [element('h3', {}, text('namespaces')), element('p', { className: 'aside' }, text('sharesOfRequests')),
      sideways(text('namespaces'), table(text('namespaces'), heads, rows, groups).made), ...moreOf(namespaces, 'more-namespaces', renderNamespaces)] : []));
  }

  async function load() {
    const [lost] = await Promise.all([get(`/api/v1/capacity/forecast?critical=true&limit=${CRITICAL}`), nodes.load(), namespaces.load()]);
    refillFolds(forecast, element('h3', {}, text('forecast')), ...forecastOf(lost));
    renderNodes();
    renderNamespaces();
  }

  let soon = null;
  function change({ kind }) {
    if (kind === 'node' || kind === 'capacity') soon ??= setTimeout(() => { soon = null; page.refresh(); }, 1000);
  }
  return { load, change, look: load };
}
