// The list of checks, what failed among them, and of one Service how all its checks did.

import { aside, badge, breakable, element, makeFilter, offer, place, refill, row, table } from './elements.js';
import { get } from './rest.js';
import { makeTrend, monitorLink, serviceLink } from './trend.js';
import { text } from './words.js';

const PAGE = 200; // monitors that are asked for at once
const LOOK_MS = 15_000; // no push tells of each change
const SOON_MS = 1000; // many changes are one look

const known = (values) => Object.fromEntries(Object.entries(values).filter(([, value]) => value));
const nameOf = ({ namespace, name }) => [namespace, name].filter(Boolean).join('/');

/** @param {{fail: (error: Error) => void, refresh: () => Promise<void>}} page */
export function makeMonitors(page) {
  let monitors = [];
  let next = null; // cursor of the page after the last one shown
  const { wanted, isUsual } = makeFilter([
    { name: 'namespace', list: true }, { name: 'service', list: true },
    { name: 'source', choices: ['', 'apimonitor', 'annotation', 'derived', 'metrics', 'builtin'] }, { name: 'failing', isFlag: true }], () => page.refresh());
  const service = () => {
    const { namespace, service: name } = wanted();
    return namespace && name ? { namespace, service: name } : null;
  };

  const heads = [[text('monitor'), 'wide where'], [text('source')], [text('service'), 'wide'], [text('target'), 'wide'], [text('targets'), 'number'],
    [text('failing'), 'number'], [text('starting'), 'number'], [text('trouble'), 'wide']];
  const summary = element('p', { role: 'status', className: 'aside' });
  const { made, body } = table(text('allChecks'), heads, []);
  made.hidden = true;
  const more = element('button', { type: 'button', hidden: true, onclick: () => load(next).catch(page.fail) }, text('more'));
  const trend = makeTrend(page, { series: service, errors: () => known({ namespace: wanted().namespace, service: wanted().service }) });
  place('main').replaceChildren(trend.made, element('h3', {}, text('allChecks')), summary, made, more);
  document.title = `${text('monitors')} · Nightjar`;

  function rowOf(monitor) {
    const { id, source, target, targetsTotal, targetsFailing, targetsStarting, trouble, suspended } = monitor;
    return row({}, heads, [
      element('a', { href: monitorLink(id), data: { key: `monitor-${id}` } }, ...breakable(nameOf(monitor))),
      text(source),
      monitor.service ? element('a', { href: serviceLink(monitor), data: { key: `service-${id}` } }, ...breakable(monitor.service)) : '',
      breakable(target), String(targetsTotal),
      targetsFailing ? badge('critical', String(targetsFailing)) : '0', String(targetsStarting),
      [trouble ? element('span', { className: 'warning' }, trouble) : '', suspended ? aside(` ${text('suspended')}`) : '']]);
  }

  function render() {
    const isBad = ({ targetsFailing, trouble }) => (targetsFailing ? 2 : 0) + (trouble ? 1 : 0);
    monitors.sort((a, b) => isBad(b) - isBad(a) || nameOf(a).localeCompare(nameOf(b)) || a.id.localeCompare(b.id));
    refill(body, ...monitors.map(rowOf));
    const failing = monitors.filter(({ targetsFailing }) => targetsFailing).length;
    summary.textContent = monitors.length ? text('countChecks', `${monitors.length}${next ? '+' : ''}`, failing) : text(isUsual() ? 'noChecks' : 'noCheckFits');
    made.hidden = monitors.length === 0;
    more.hidden = !next;
    offer('namespace', monitors.map(({ namespace }) => namespace));
    offer('service', monitors.map((monitor) => monitor.service));
  }

  /** All that is shown, again; or a page more. */
  async function load(cursor) {
    const asked = JSON.stringify(wanted());
    const limit = cursor ? PAGE : Math.min(1000, Math.max(PAGE, monitors.length));
    const { items, nextCursor } = await get(`/api/v1/monitors?${new URLSearchParams(known({ ...wanted(), limit, cursor }))}`);
    if (asked !== JSON.stringify(wanted())) return; // the filter has changed meanwhile, and asks itself
    monitors = cursor ? [...monitors, ...items] : items;
    next = nextCursor;
    render();
    await trend.load(service() ? nameOf({ namespace: wanted().namespace, name: wanted().service }) : '');
  }

  let soon = null;
  function change({ monitor }) {
    if (monitor) soon ??= setTimeout(() => { soon = null; page.refresh(); }, SOON_MS);
  }
  return { load: () => load(), change, look: () => load(), lookMs: LOOK_MS };
}
