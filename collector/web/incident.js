// One incident: of crashes with their logs, of checks with what failed and how they did before.

import { makeCare } from './care.js';
import { breakable, element, facts, moment, offerFile, place, refill, row, table } from './elements.js';
import { heldBack, stateBadge, TOLD_HEADS, toldRow } from './incidents.js';
import { get } from './rest.js';
import { slaLink } from './services.js';
import { makeTrend, monitorLink, serviceLink } from './trend.js';
import { bytes, causeOf, figuresOf, kindOf, lengthOf, percent, reasonOf, shortReasonOf, text } from './words.js';

const isOfAvailability = ({ kind }) => ['service_outage', 'slo_burn', 'rollout_failed'].includes(kind);
const isOfChecks = ({ kind }) => kind === 'probe' || kind === 'node_probes';

/** @param {{fail: (error: Error) => void, refresh: () => Promise<void>}} page */
export function makeIncident(incidentId, page) {
  let revision = 0;
  let shownCrash = null; // id
  let followsLatest = true; // nobody has chosen another crash
  let crashes = [];
  let next = null;
  let trend = null; // of checks
  const title = element('h2');
  const about = element('section');
  const told = element('section');
  const care = makeCare(incidentId, page);
  const log = element('section', { hidden: true });
  const list = element('section');
  const difference = element('section');
  place('main').replaceChildren(element('p', {}, element('a', { href: '/' }, `← ${text('allIncidents')}`)),
    title, element('div', { className: 'columns' }, element('div', {}, about, care.made), element('div', {}, difference, log, list, told)));

  function renderIncident(incident) {
    if (incident.revision < revision) return;
    revision = incident.revision;
    const where = [incident.namespace, incident.workload].filter(Boolean).join('/');
    document.title = `#${incident.id} ${where} · Nightjar`;
    title.replaceChildren(`#${incident.id} `, stateBadge(incident), ` ${kindOf(incident)}: `, ...breakable(where));
    about.replaceChildren(
      element('p', { className: 'lead' }, reasonOf(incident)),
      ...(incident.suppressed ? [element('p', { className: 'warning' }, text('suppressed'), ' ', ...heldBack(incident))] : []),
      facts([
        [text('name'), breakable(incident.fullName)], [text('workload'), isOfAvailability(incident) ? element('a', { href: slaLink({ kind: incident.workloadKind, namespace: incident.namespace, name: incident.workload }) }, `${incident.workloadKind} ${incident.workload}`) : `${incident.workloadKind} ${incident.workload}`],
        [text('monitor'), incident.monitor ? element('a', { href: monitorLink(incident.monitor) }, ...breakable(incident.monitor)) : ''],
        [text('targets'), incident.targetsTotal ? text('targetsOf', incident.targetsFailing, incident.targetsTotal) : ''],
        [text('step'), incident.step], [text('expected'), incident.expected], [text('got'), incident.got], [text('code'), incident.status],
        [text('value'), figuresOf(incident).value], [text('pace'), figuresOf(incident).pace],
        [text('reaches'), incident.reachesAt ? moment(incident.reachesAt) : ''], [text('evictions'), incident.evictions || ''],
        [text('process'), [incident.process, incident.pid && `pid ${incident.pid}`].filter(Boolean).join(', ')],
        [text('servicesDown'), incident.servicesDown], [text('outageFor'), incident.outageSeconds ? lengthOf(incident.outageSeconds) : ''],
        [text('revision'), incident.rollout ? text('revisionOf', incident.rollout, incident.rolloutFrom) : ''],
        [text('objective'), incident.objective ? `${incident.objective} %` : ''],
        [text('budgetLeft'), incident.objective && (incident.budgetLeft ?? null) !== null ? percent(incident.budgetLeft) : ''],
        [text('container'), incident.container], [text('pod'), breakable(incident.pod)], [text('node'), incident.node],
        [text('image'), breakable(incident.image)], [text('imageBefore'), incident.imageFrom ? breakable(incident.imageFrom) : ''], [text('message'), element('span', { className: 'message' }, incident.message)],
        [text('times'), incident.count], [text('lost'), incident.lost], [text('restarts'), incident.restartCount],
        [text('limit'), incident.memoryLimitBytes ? bytes(incident.memoryLimitBytes) : ''],
        [text('first'), moment(incident.firstAt)], [text('last'), moment(incident.lastAt)],
        [text('ended'), incident.resolvedAt ? [moment(incident.resolvedAt), ` ${causeOf(incident)}`] : ''],
      ]));
    refill(difference, ...(incident.difference ? [element('h3', {}, text('difference')), element('pre', { tabIndex: 0, ariaLabel: text('difference') }, incident.difference)] : []));
    if (isOfChecks(incident)) renderChecks(incident);
  }

  /** What came, and how the checks of the Service or monitor did, in place of crashes. */
  function renderChecks({ kind, body, monitor, namespace, workload, workloadKind }) {
    refill(log, ...(body ? [element('h3', {}, text('body')), element('pre', { tabIndex: 0, ariaLabel: text('body') }, body)] : []));
    log.hidden = !body;
    if (kind === 'node_probes' || trend) return;
    const isOfService = workloadKind === 'Service';
    trend = makeTrend(page, { series: () => (isOfService ? { namespace, service: workload } : { monitor }) });
    list.append(...(isOfService ? [element('p', {}, element('a', { href: serviceLink({ namespace, service: workload }) }, text('serviceChecks')))] : []), trend.made);
  }

  const pressed = () => list.querySelectorAll('button[data-crash]').forEach((button) => { button.ariaPressed = String(button.dataset.crash === shownCrash); });

  async function showLog(id) {
    shownCrash = id;
    pressed();
    const crash = await get(`/api/v1/crashes/${encodeURIComponent(id)}`);
    if (shownCrash !== id) return; // another one was chosen meanwhile
    const { text: words, missing, cut } = crash.log;
    const save = element('button', { type: 'button', data: { key: 'save' }, onclick: () => saveLog(crash) }, text('save'));
    const lines = element('pre', { tabIndex: 0, ariaLabel: text('log') });
    for (const line of words.split(/(?<=\n)/)) lines.append(element('span', { className: line.startsWith('[stderr] ') ? 'stderr' : '' }, line));
    refill(log,
      element('h3', {}, text('lastWords'), ' ', words ? save : ''),
      element('p', { className: 'aside' }, ...breakable(text('attemptOf', crash.attempt, crash.pod, crash.container, reasonOf(crash))), cut ? ` ${text('cut')}` : ''),
      words ? lines : element('p', {}, missing ? text('noLog', missing) : text('emptyLog')));
    log.hidden = false;
    lines.scrollTop = lines.scrollHeight; // what it died of stands at the end
  }

  function renderCrashes() {
    const heads = [[text('finished')], [text('pod'), 'wide'], [text('attempt'), 'number'], [text('reason')], [text('lines'), 'number'], [text('log')]];
    const rows = crashes.map((crash) => row({}, heads, [
      moment(crash.finishedAt ?? crash.seenAt), breakable(crash.pod), String(crash.attempt), shortReasonOf(crash), String(crash.log.lines),
      element('button', {
        type: 'button', ariaLabel: text('showLog', crash.attempt, crash.pod), data: { key: `crash-${crash.id}`, crash: crash.id },
        onclick: () => { followsLatest = crash.id === crashes[0].id; showLog(crash.id).catch(page.fail); },
      }, text('log'))]));
    const more = element('button', { type: 'button', data: { key: 'more' }, onclick: () => loadCrashes(next).catch(page.fail) }, text('more'));
    refill(list, ...(crashes.length ? [element('h3', {}, text('crashes')), table(text('crashes'), heads, rows).made, ...(next ? [more] : [])] : []));
    pressed();
  }

  async function loadCrashes(cursor) {
    const { items, nextCursor } = await get(`/api/v1/crashes?incident=${incidentId}&limit=100${cursor ? `&cursor=${cursor}` : ''}`);
    const isKnown = new Set(items.map(({ id }) => id));
    const others = crashes.filter(({ id }) => !isKnown.has(id));
    if (cursor || crashes.length === 0) next = nextCursor;
    crashes = cursor ? [...others, ...items] : [...items, ...others];
    renderCrashes();
    if (crashes.length && followsLatest && shownCrash !== crashes[0].id) await showLog(crashes[0].id);
  }

  async function look() {
    const { items } = await get(`/api/v1/incidents/${incidentId}/notifications?limit=100`);
    const heads = TOLD_HEADS();
    told.replaceChildren(element('h3', {}, text('told')),
      items.length ? table(text('told'), heads, items.map((item) => toldRow(heads, item))).made : element('p', { className: 'aside' }, text('toldNobody')));
  }

  async function load() {
    const incident = await get(`/api/v1/incidents/${incidentId}`);
    renderIncident(incident);
    await Promise.all([isOfChecks(incident) ? trend?.load() : loadCrashes(), look(), care.load(incident)]);
  }

  let soon = null; // many changes are one look
  function change(incident) {
    if (incident.id !== incidentId) return;
    renderIncident(incident);
    soon ??= setTimeout(() => { soon = null; page.refresh(); }, 1000);
  }
  return { load, change, look };
}

const saveLog = ({ log, namespace, pod, container, attempt }) => offerFile(log.text, 'text/plain', `${namespace}_${pod}_${container}_${attempt}.log`);
