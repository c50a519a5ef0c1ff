// One service or workload: its availability over a range of time, when it was not available and why, and its rollouts.

import { timeline } from './chart.js';
import { aside, badge, breakable, element, facts, figure, given, makeRange, moment, place, refill, refillFolds, remember, row, table } from './elements.js';
import { get, NotFound } from './rest.js';
import { workloadLink } from './resources.js';
import { causeCell, slaLink, stateBadge } from './services.js';
import { serviceLink } from './trend.js';
import { availabilityText, lengthOf, localTime, outageCauseOf, outcomeOf, percent, rolloutReasonOf, serviceStateOf, text } from './words.js';

const AGAIN_MS = 25_000;
const LOOK_MS = 30_000;
const SOON_MS = 1000; // many changes are one look
const ROLLOUTS = 50; // the latest
const LEVELS = ['up', 'unknown', 'planned', 'degraded', 'down']; // what is worse is drawn over the rest
const DAY_RANGES = new Set(['7d', '30d']);
const OUTCOMES = { running: 'info', done: 'resolved', failed: 'critical', superseded: 'info', rolled_back: 'warning' };

/** As what a state counts. */
export function levelOf({ state, planned }, basis) {
  if (state === 'up' || state === 'degraded') return state;
  if (state === 'unknown' || state === 'none_by_design') return 'unknown';
  if (state === 'draining' && basis === 'serving') return 'degraded';
  return planned || state === 'scaled_to_zero' ? 'planned' : 'down';
}

/** What the timeline shows, the worst last. @param {object[]} intervals as REST has them */
export function partsOf(intervals, basis, to) {
  const parts = intervals.map((interval) => {
    const { from, until, state, cause, detail } = interval;
    const level = levelOf(interval, basis);
    const why = [serviceStateOf(state), level !== 'up' && cause ? outageCauseOf(cause) : '', detail].filter(Boolean).join(', ');
    const last = until ?? to;
    return { from: Date.parse(from), to: Date.parse(last), level, title: `${localTime(new Date(from))} – ${until ? localTime(new Date(until)) : ''}: ${why}` };
  });
  return parts.sort((a, b) => LEVELS.indexOf(a.level) - LEVELS.indexOf(b.level) || a.from - b.from);
}

function summaryOf({ total, objective }) {
  const { availability, availabilityWithoutPlanned, coverage, checks } = total;
  const share = (value) => (value === null ? text('nothingObserved') : availabilityText(value));
  const isUnder = objective !== null && availabilityWithoutPlanned !== null && availabilityWithoutPlanned < objective;
  return facts([
    [text('availability'), element('b', {}, share(availability))],
    [text('withoutPlanned'), element('b', { className: isUnder ? 'critical' : '' }, share(availabilityWithoutPlanned))],
    [text('objective'), objective === null ? '' : availabilityText(objective)],
    [text('budgetLeft'), total.budgetLeft === null ? '' : element('span', { className: total.budgetLeft < 0 ? 'critical' : '' }, percent(total.budgetLeft))],
    [text('coverage'), [percent(coverage), total.unknownSeconds ? aside(` ${text('unknownFor', lengthOf(total.unknownSeconds))}`) : '']],
    [text('outages'), text('outagesOf', total.outageCount, total.unplannedOutageCount)],
    [text('longest'), total.outageCount ? lengthOf(total.longestOutageSeconds) : ''], [text('planned'), total.plannedSeconds ? lengthOf(total.plannedSeconds) : ''],
    [text('mttr'), total.mttrSeconds ? lengthOf(total.mttrSeconds) : ''], [text('mtbf'), total.mtbfSeconds ? lengthOf(total.mtbfSeconds) : ''],
    [text('byChecks'), checks?.availability !== null && checks ? `${availabilityText(checks.availability)} (${text('ran', checks.runs, checks.failures, percent(checks.failures / checks.runs))})` : '']]);
}

function outagesOf({ outages, outagesLeftOut }) {
  if (!outages.length) return [element('p', { className: 'aside' }, text('noOutages'))];
  const heads = [[text('from')], [text('until')], [text('duration'), 'number'], [text('cause'), 'wide'], [''], [text('fewest'), 'number']];
  const rows = [...outages].reverse().map((outage) => row({}, heads, [
    moment(outage.from), outage.until ? moment(outage.until) : badge('critical', text('goesOn')), lengthOf(outage.seconds), causeCell(outage),
    outage.planned ? badge('info', text('plannedOne')) : '', String(outage.minReady)]));
  return [table(text('outages'), heads, rows).made, ...(outagesLeftOut ? [element('p', { className: 'aside' }, text('leftOut', outagesLeftOut))] : [])];
}

function periodsOf({ periods, objective }) {
  const heads = [[text('day')], [text('availability'), 'number'], [text('withoutPlanned'), 'number'], [text('coverage'), 'number'], [text('outages'), 'number']];
  const share = (value) => (value === null ? '–' : availabilityText(value));
  return element('details', { data: { fold: 'periods' } }, element('summary', { data: { key: 'periods' } }, text('byDay')),
    table(text('byDay'), heads, [...periods].reverse().map((period) => row({}, heads, [
      element('span', { className: 'nowrap' }, period.from.slice(0, 10)), share(period.availability),
      element('span', { className: objective !== null && period.availabilityWithoutPlanned !== null && period.availabilityWithoutPlanned < objective ? 'critical' : '' }, share(period.availabilityWithoutPlanned)),
      percent(period.coverage), text('outagesOf', period.outageCount, period.unplannedOutageCount)]))).made);
}

function rolloutsOf(rollouts) {
  const heads = [[text('revision')], [text('outcome')], [text('from')], [text('duration'), 'number'], [text('image'), 'wide'], [text('changedBy'), 'wide'], [text('crashes'), 'number'], [text('outages'), 'number']];
  const rows = rollouts.flatMap((rollout) => {
    const { id, revision, fromRevision, outcome, beganAt, endedAt, images, changedBy, changeCause, crashes, outageSeconds, difference, reason, message } = rollout;
    const more = [reason, message, difference].filter(Boolean).length > 0;
    return [
      row({ className: more ? 'joined' : '' }, heads, [
        text('revisionOf', revision, fromRevision), badge(OUTCOMES[outcome] ?? 'info', outcomeOf(outcome)), moment(beganAt), endedAt ? lengthOf((Date.parse(endedAt) - Date.parse(beganAt)) / 1000) : '–',
        breakable(images), [changedBy, changeCause ? aside(` ${changeCause}`) : ''], String(crashes), outageSeconds ? lengthOf(outageSeconds) : '–']),
      ...(more ? [element('tr', { role: 'row' }, element('td', { role: 'cell', className: 'wide', colSpan: heads.length },
        ...(reason || message ? [element('div', { className: outcome === 'failed' ? 'critical message' : 'message' }, [rolloutReasonOf(reason), message].filter(Boolean).join(': '))] : []),
        ...(difference ? [element('details', { data: { fold: `difference-${id}` } }, element('summary', { data: { key: `difference-${id}` } }, text('difference')), element('pre', { tabIndex: 0 }, difference))] : [])))] : [])];
  });
  return table(text('rollouts'), heads, rows).made;
}

/** @param {{fail: (error: Error) => void, refresh: () => Promise<void>}} page */
export function makeService(namespace, name, page) {
  const kind = given().get('kind') ?? 'Service';
  let basis = given().get('basis') === 'serving' ? 'serving' : 'ready';
  let loaded = { asked: '', at: 0 };
  let shown = null; // {from, to, parts}
  const range = makeRange(() => load().catch(page.fail), { usual: '1d' });
  const bases = element('select', {
    autocomplete: 'off',
    onchange: () => {
      basis = bases.value;
      remember('basis', basis === 'ready' ? '' : basis);
      load().catch(page.fail);
    } }, ...['ready', 'serving'].map((value) => element('option', { value, selected: value === basis }, text(value))));
  range.made.append(element('label', {}, aside(text('basis')), ' ', bases));
  const title = element('h2');
  const about = element('section');
  const figures = element('section');
  const outages = element('section');
  const rollouts = element('section');
  const days = element('section');
  const picture = figure((width) => {
    const count = (level) => shown.parts.filter((part) => part.level === level).length;
    const desc = text('timelineDesc', localTime(new Date(shown.from)), localTime(new Date(shown.to)), count('down'), count('planned'));
    return timeline(shown, shown.parts, { id: 'timeline', width, title: text('timeline'), desc });
  });
  const legend = element('p', { className: 'legend' }, ...LEVELS.map((level) => element('span', { className: level }, text('levels')[level])));
  const ofTime = element('section', { hidden: true }, legend, picture.made);
  place('main').replaceChildren(element('p', {}, element('a', { href: '/services' }, `← ${text('allServices')}`)), title, range.made, ofTime,
    element('div', { className: 'columns' }, element('div', {}, figures, about), element('div', {}, outages)), rollouts, days);
  document.title = `${namespace}/${name} · ${text('services')} · Nightjar`;

  function renderNow(now) {
    title.replaceChildren(...(now ? [stateBadge(now.state), ' '] : []), ...breakable(`${namespace}/${name}`), aside(kind === 'Service' ? '' : ` ${kind}`));
    const links = kind === 'Service' ? serviceLink({ namespace, service: name }) : workloadLink({ namespace, workload: name });
    refill(about, facts(now ? [
      [text('since'), moment(now.since)], [text('cause'), now.state === 'up' ? '' : causeCell(now)], [text('endpoints'), text('endpointsOf', now.ready, now.desired)], [text('serving'), String(now.serving)]] : []),
    ...(now ? [] : [element('p', { className: 'aside' }, text('noService'))]),
    element('p', {}, element('a', { href: links, data: { key: 'links' } }, text(kind === 'Service' ? 'serviceChecks' : 'resources'))));
  }

  /** Those of the workload; of a Service, of what its outages name. */
  async function loadRollouts(report) {
    const owner = kind === 'Service' ? null : { kind, workload: name };
    const query = new URLSearchParams({ namespace, limit: ROLLOUTS, since: report.from, ...owner });
    const { items } = await get(`/api/v1/rollouts?${query}`);
    const named = new Set(report.outages.map(({ reference }) => reference));
    const fitting = owner ? items : items.filter((rollout) => rollout.workload === name || named.has(`rollout/${rollout.id}`));
    refillFolds(rollouts, ...(fitting.length ? [element('h3', {}, text('rollouts')), rolloutsOf(fitting)] : []));
  }

  async function load() {
    const from = range.value();
    const asked = `${from} ${basis}`;
    if (asked === loaded.asked && Date.now() - loaded.at < AGAIN_MS) return;
    loaded = { asked, at: Date.now() };
    const of = (path, more) => get(`/api/v1${slaLink({ kind: 'Service', namespace, name })}${path}?${new URLSearchParams({ kind, basis, from, ...more })}`);
    try {
      const [service, report] = await Promise.all([of(''), of('/sla', { by: DAY_RANGES.has(from) ? 'day' : 'range' })]);
      if (loaded.asked !== asked) return; // something else was asked for meanwhile
      shown = { from: service.from, to: service.to, parts: partsOf(service.intervals, basis, service.to) };
      ofTime.hidden = false;
      picture.draw();
      renderNow(service.now);
      refill(figures, summaryOf(report));
      refillFolds(days, ...(report.periods.length > 1 ? [periodsOf(report)] : []));
      refillFolds(outages, element('h3', {}, text('outages')), ...outagesOf(report));
      await loadRollouts(report);
    } catch (error) {
      if (loaded.asked === asked) loaded.at = 0;
      if (!(error instanceof NotFound)) throw error;
      renderNow(null);
    }
  }

  let soon = null;
  function change(incident) {
    if (incident.namespace !== namespace) return;
    soon ??= setTimeout(() => { soon = null; loaded.at = 0; page.refresh(); }, SOON_MS);
  }
  return { load, change, look: load, lookMs: LOOK_MS };
}
