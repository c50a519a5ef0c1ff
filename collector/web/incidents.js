// The list of incidents as they change, with who reports them and who was not told.

import { badge, breakable, element, makeFilter, moment, offer, place, refill, refillFolds, row, table } from './elements.js';
import { get } from './rest.js';
import { kindOf, reasonOf, suppressionOf, text } from './words.js';

const PAGE = 200; // incidents that are asked for at once
const MOST = 1000; // that REST gives: what it cannot be asked for is looked for among more
const EXCERPT = 160; // characters of a message in the list

const excerpt = (words) => (words.length > EXCERPT ? `${words.slice(0, EXCERPT)}…` : words);

/** Why nobody is told, with where that is told. */
export function heldBack({ id, suppressed }) {
  const { words, incident, silence } = suppressionOf(suppressed);
  const link = incident ? element('a', { href: `/incidents/${incident}`, data: { key: `held-${id}` } }, `#${incident}`)
    : silence ? element('a', { href: '/silences', data: { key: `held-${id}` } }, `#${silence}`) : '';
  return link ? [words, ' (', link, ')'] : [words];
}

export const stateBadge = ({ state, severity }) => badge(state === 'resolved' ? 'resolved' : severity);

/** @param {{fail: (error: Error) => void, refresh: () => Promise<void>}} page */
export function makeIncidents(page) {
  const known = new Map(); // id to incident
  const rows = new Map(); // id to {made, revision}
  let pushed = 0; // id of the incident that was told just now
  let next = null; // cursor of the page after the last one shown
  let lowest = Infinity; // the lowest id that was asked for
  const { wanted, isUsual } = makeFilter(
    [{ name: 'state', choices: ['open', 'resolved', ''] }, { name: 'severity', choices: ['', 'critical', 'warning', 'info'] },
      { name: 'told', choices: ['', 'yes', 'heldBack'] }, { name: 'namespace', list: true }],
    () => page.refresh());
  const asks = () => Object.entries(wanted()).filter(([name, value]) => value && name !== 'told'); // of REST
  const fits = (incident) => asks().every(([name, value]) => incident[name] === value);
  const isShown = ({ suppressed }) => !wanted().told || (wanted().told === 'heldBack') === (suppressed !== '');

  const heads = [['#'], [text('severity')], [text('what')], [text('where'), 'wide where'], [text('reason'), 'wide reason'], [text('times'), 'number'], [text('last')]];
  const summary = element('p', { role: 'status', className: 'aside' });
  const { made, body } = table(text('allIncidents'), heads, []);
  made.hidden = true;
  const more = element('button', { type: 'button', hidden: true, onclick: () => load(next).catch(page.fail) }, text('more'));
  const surroundings = element('section');
  place('main').replaceChildren(summary, made, more, surroundings);

  function rowOf(incident) {
    const kept = rows.get(incident.id);
    if (kept?.revision === incident.revision) return kept.made;
    const link = (label, key) => element('a', { href: `/incidents/${incident.id}`, data: { key } }, ...label);
    const cells = [
      link([`#${incident.id}`], `id-${incident.id}`), stateBadge(incident), kindOf(incident),
      [link(breakable(incident.fullName), `name-${incident.id}`), incident.container ? element('span', { className: 'aside' }, ` / ${incident.container}`) : ''],
      [reasonOf(incident), incident.suppressed ? element('span', { className: 'aside' }, ' · ', element('b', {}, text('heldBack')), ': ', ...heldBack(incident)) : '', incident.message ? element('span', { className: 'aside excerpt' }, excerpt(incident.message)) : ''], String(incident.count), moment(incident.lastAt),
    ];
    const fresh = row({ className: kept || incident.id === pushed ? 'changed' : '' }, heads, cells);
    rows.set(incident.id, { made: fresh, revision: incident.revision });
    return fresh;
  }

  function render() {
    for (const id of rows.keys()) if (!known.has(id)) rows.delete(id);
    const shown = [...known.values()].filter(isShown).sort((a, b) => (b.lastAt ?? '').localeCompare(a.lastAt ?? '') || b.id - a.id);
    const wantedRows = shown.map(rowOf);
    if (wantedRows.length !== body.children.length || wantedRows.some((made, i) => made !== body.children[i])) refill(body, ...wantedRows);
    const { state } = wanted();
    const held = shown.filter(({ suppressed }) => suppressed).length;
    summary.textContent = shown.length === 0 ? text(isUsual() ? 'none' : 'noneFits')
      : [text('count', `${shown.length}${next ? '+' : ''}`, state && text(state)), held && !wanted().told ? text('held', held) : ''].filter(Boolean).join(text('comma'));
    made.hidden = shown.length === 0;
    more.hidden = !next;
    offer('namespace', shown.map(({ namespace }) => namespace));
  }

  async function load(cursor) {
    const query = new URLSearchParams([...asks(), ['limit', wanted().told ? MOST : PAGE], ...(cursor ? [['cursor', cursor]] : [])]);
    const asked = JSON.stringify(wanted());
    const { items, nextCursor } = await get(`/api/v1/incidents?${query}`);
    if (asked !== JSON.stringify(wanted())) return; // the filter has changed meanwhile, and asks itself
    const before = new Map(known);
    if (!cursor) known.clear();
    for (const incident of items) {
      const pushedMeanwhile = before.get(incident.id);
      known.set(incident.id, pushedMeanwhile?.revision > incident.revision ? pushedMeanwhile : incident);
    }
    next = nextCursor;
    lowest = next ? Number(next) : 0;
    render();
  }

  function change(incident) {
    if (fits(incident) && incident.id >= lowest) known.set(incident.id, incident);
    else known.delete(incident.id);
    pushed = incident.id;
    render();
    pushed = 0;
  }

  async function look() {
    const [agents, notifications] = await Promise.all([get('/api/v1/agents'), get('/api/v1/notifications?limit=100')]);
    refillFolds(surroundings, agentsOf(agents.items), ...(notifications.items.length ? [untoldOf(notifications.items)] : []));
  }

  return { load: () => load(), change, look };
}

function agentsOf(agents) {
  const silent = agents.filter((agent) => agent.silent).length;
  const heads = [[text('node'), 'wide'], [text('heard')], [text('version')], [text('pods'), 'number'], [text('waiting'), 'number'], [text('dropped'), 'number']];
  const rows = agents.map((agent) => row({}, heads, [
    [...breakable(`${agent.cluster} / ${agent.node}`), agent.silent ? element('span', { className: 'badge warning' }, text('silent')) : ''],
    moment(agent.lastHeardAt), agent.version, String(agent.pods), String(agent.outboxEvents), String(agent.droppedEvents)]));
  return element('details', { data: { fold: 'agents' } }, element('summary', { className: silent ? 'warning' : '', data: { key: 'agents' } }, text('agents', agents.length, silent)), table('agents', heads, rows).made);
}

export const TOLD_HEADS = () => [[text('time')], [text('group')], [text('channel')], [text('transition')], [text('status'), 'wide']];
export const toldRow = (heads, told) => row({}, heads, [
  moment(told.doneAt ?? told.createdAt), told.group, told.channel, text(told.transition),
  [element('span', { className: /failed|uncertain/.test(told.status) ? 'warning' : '' }, text(told.status)), told.error ? element('span', { className: 'aside' }, ` ${told.error}`) : '']]);

function untoldOf(notifications) {
  const heads = [['#'], ...TOLD_HEADS()];
  const rows = notifications.map((told) => {
    const made = toldRow(heads.slice(1), told);
    const link = told.incidentId ? element('a', { href: `/incidents/${told.incidentId}`, data: { key: `told-${told.id}` } }, `#${told.incidentId}`) : '';
    made.prepend(element('td', { role: 'cell', data: { label: '#' } }, link));
    return made;
  });
  return element('details', { data: { fold: 'untold' } }, element('summary', { className: 'warning', data: { key: 'untold' } }, text('untold', notifications.length)), table('notifications', heads, rows).made);
}
