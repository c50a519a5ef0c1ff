// Services and workloads: whether each is available now, why not, and how it did today.

import { aside, badge, breakable, element, makeFilter, moment, offer, place, refill, row, table } from './elements.js';
import { get } from './rest.js';
import { availabilityText, outageCauseOf, serviceStateOf, text } from './words.js';

const PAGE = 200; // services that are asked for at once
const MOST = 1000; // that REST gives
const LOOK_MS = 15_000; // no push tells of each change
const SOON_MS = 1000; // many changes are one look
const STATES = ['down', 'draining', 'degraded', 'unknown', 'scaled_to_zero', 'up', 'none_by_design']; // what needs a look first
const BADGES = { up: 'resolved', degraded: 'warning', draining: 'warning', down: 'critical' };

const known = (values) => Object.fromEntries(Object.entries(values).filter(([, value]) => value));

export const stateBadge = (state) => badge(BADGES[state] ?? 'info', serviceStateOf(state));

/** Where everything about one is; most are Services, which is not said. */
export const slaLink = ({ kind, namespace, name }) => `/services/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}${kind === 'Service' ? '' : `?${new URLSearchParams({ kind })}`}`;

/** Why, with where that is told: "rollout/17", "incident/4", "node/n1". */
export function causeCell({ cause, detail, reference }) {
  const [kind, ...id] = (reference ?? '').split('/');
  const of = id.join('/');
  const hrefs = { incident: `/incidents/${of}`, node: `/nodes/${encodeURIComponent(of)}` };
  const words = cause ? outageCauseOf(cause) : '';
  return [hrefs[kind] && of ? element('a', { href: hrefs[kind], data: { key: `cause-${reference}` } }, words) : words, detail ? aside(` ${detail}`) : ''];
}

/** @param {{fail: (error: Error) => void, refresh: () => Promise<void>}} page */
export function makeServices(page) {
  let services = [];
  let next = null;
  const { wanted, isUsual } = makeFilter([
    { name: 'kind', choices: ['Service', 'Deployment', 'StatefulSet', 'DaemonSet'] },
    { name: 'state', choices: ['', ...STATES] }, { name: 'basis', choices: ['ready', 'serving'] }, { name: 'namespace', list: true }], () => { services = []; page.refresh(); });
  for (const option of place('filter').elements.state.options) if (option.value) option.textContent = serviceStateOf(option.value);
  const heads = [[text('service'), 'wide where'], [text('state')], [text('cause'), 'wide'], [text('since')], [text('endpoints'), 'number'], [text('today'), 'number'], [text('objective'), 'number']];
  const summary = element('p', { role: 'status', className: 'aside' });
  const { made, body } = table(text('allServices'), heads, []);
  made.hidden = true;
  const more = element('button', { type: 'button', hidden: true, onclick: () => load(next).catch(page.fail) }, text('more'));
  place('main').replaceChildren(summary, made, more);
  document.title = `${text('services')} · Nightjar`;

  const isUnder = ({ availabilityToday, objective }) => objective !== null && availabilityToday !== null && availabilityToday < objective;
  const rowOf = (service) => row({}, heads, [
    element('a', { href: slaLink(service), data: { key: `${service.namespace}/${service.name}` } }, ...breakable(`${service.namespace}/${service.name}`)), stateBadge(service.state),
    causeCell(service), moment(service.since), text('endpointsOf', service.ready, service.desired),
    service.availabilityToday === null ? '–' : element('span', { className: isUnder(service) ? 'critical' : '' }, availabilityText(service.availabilityToday)),
    service.objective === null ? '' : availabilityText(service.objective)]);

  function render() {
    const order = ({ state }) => STATES.indexOf(state);
    const shown = [...services].sort((a, b) => order(a) - order(b) || a.namespace.localeCompare(b.namespace) || a.name.localeCompare(b.name));
    refill(body, ...shown.map(rowOf));
    const down = shown.filter(({ state }) => state === 'down').length;
    summary.textContent = shown.length ? text('countServices', `${shown.length}${next ? '+' : ''}`, down) : text(isUsual() ? 'noServices' : 'noServiceFits');
    made.hidden = shown.length === 0;
    more.hidden = !next;
    if (!wanted().namespace) offer('namespace', shown.map(({ namespace }) => namespace));
  }

  async function load(cursor) {
    const asked = JSON.stringify(wanted());
    const limit = cursor ? PAGE : Math.min(MOST, Math.max(PAGE, services.length));
    const { items, nextCursor } = await get(`/api/v1/services?${new URLSearchParams(known({ ...wanted(), limit, cursor }))}`);
    if (asked !== JSON.stringify(wanted())) return; // the filter has changed meanwhile, and asks itself
    services = cursor ? [...services, ...items] : items;
    next = nextCursor;
    render();
  }

  let soon = null;
  function change({ kind }) {
    if (kind === 'service_outage') soon ??= setTimeout(() => { soon = null; page.refresh(); }, SOON_MS);
  }
  return { load: () => load(), change, look: () => load(), lookMs: LOOK_MS };
}
