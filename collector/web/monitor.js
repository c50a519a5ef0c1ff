// One check: what it asks for, its targets with what failed last, and how they did.

import { msText } from './chart.js';
import { aside, badge, breakable, element, facts, given, moment, place, refillFolds, remember, row, table } from './elements.js';
import { get, NotFound } from './rest.js';
import { makeTrend, serviceLink } from './trend.js';
import { checkCauseOf, localTime, phaseOf, scopeOf, text } from './words.js';

const PAGE = 100; // targets that are asked for at once
const LOOK_MS = 15_000; // no push tells of each change
const SOON_MS = 1000; // many changes are one look
const STATES = ['failing', 'flapping', 'starting', 'passing']; // what needs a look first
const BADGES = { failing: 'critical', flapping: 'warning', starting: 'info', passing: 'resolved' };

// ---- what it asks for

/** "POST /login", "TCP", "DNS A kubernetes.default" */
function actionOf({ http, tcp, grpc, dns }) {
  if (tcp) return tcp.tls ? 'TCP, TLS' : 'TCP';
  if (grpc) return `gRPC ${grpc.service ?? ''}`;
  if (dns) return `DNS ${dns.type ?? 'A'} ${dns.name ?? ''}`;
  return `${http?.method ?? 'GET'} ${http?.path ?? '/'}`;
}

/** An expectation as it is written: `status [200, "2xx"]`, `json [{...}]`. */
const expectationsOf = (expect) => Object.entries(expect ?? {}).map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`);

function stepsOf(steps, note) {
  return steps.map((step) => element('li', {}, ...(step.name ? [element('b', {}, step.name), ' '] : []), element('code', {}, ...breakable(actionOf(step))),
    note ? aside(` ${note}`) : '', ...expectationsOf(step.expect).map((words) => element('code', { className: 'aside expectation' }, words))));
}

function alertOf({ group, severity, failures, recovery } = {}) {
  const within = failures?.within ? ` / ${failures.within}` : '';
  return [group, severity && text(severity), failures?.count ? `${text('failures')} ${failures.count}${within}` : '', recovery?.count ? `${text('passing')} ${recovery.count}` : ''].filter(Boolean).join(', ');
}

/** Of a spec what it says; what it leaves out has its usual value. */
function factsOf({ interval, timeout, retries, alert, variables = [], steps = [], finally: last = [] }) {
  return [
    [text('interval'), interval], [text('timeout'), timeout], [text('retries'), retries ? text('retriesOf', retries.count ?? '', retries.delay) : ''],
    [text('alert'), alertOf(alert)], [text('variables'), variables.map(({ name }) => name).join(', ')],
    [text('steps'), steps.length + last.length ? element('ol', {}, ...stepsOf(steps), ...stepsOf(last, text('finally'))) : '']];
}

const rawOf = (spec) => element('details', { data: { fold: 'spec' } },
  element('summary', { data: { key: 'spec' } }, text('rawSpec')), element('pre', { tabIndex: 0 }, JSON.stringify(spec, null, 2)));

// ---- what failed

function certificateOf(certificate) {
  if (!certificate) return '';
  return text('certificateOf', certificate.names || certificate.subject, certificate.issuer, certificate.notAfter ? localTime(new Date(certificate.notAfter)) : '');
}

function evidenceOf({ durationMs, attempts, steps = [] }) {
  const heads = [[text('step')], [text('request'), 'wide'], [text('status')], [text('phases'), 'wide'], [text('duration'), 'number']];
  const rows = steps.map((step) => row({}, heads, [
    [step.name, aside(` ${step.kind}`)],
    [step.request ?? '', step.address ? aside(` → ${step.address}`) : '', step.certificate ? element('div', { className: 'aside' }, certificateOf(step.certificate)) : ''],
    step.ran ? element('span', { className: step.ok ? 'resolved' : 'critical' }, [step.ok ? text('ok') : checkCauseOf(step.cause), step.status || ''].filter(Boolean).join(' ')) : aside(text('notRun')),
    Object.entries(step.phasesMs ?? {}).filter(([, took]) => took >= 0).flatMap(([phase, took]) => [element('span', { className: 'nowrap' }, `${phaseOf(phase)} ${msText(took)}`), ' · ']).slice(0, -1),
    step.ran ? msText(step.durationMs ?? 0) : '']));
  return [table(text('evidence'), heads, rows).made, element('p', { className: 'aside' }, `${msText(durationMs ?? 0)}, ${text('attempts', attempts ?? 1)}`)];
}

function failureOf(target) {
  const { at, cause, phase, step, expected, got, body, status, evidence } = target.lastFailure;
  return element('details', { data: { fold: `failure-${target.id}` } },
    element('summary', { data: { key: `failure-${target.id}` } }, aside(`${text('lastFailure')} `), [step, `${checkCauseOf(cause)}${status ? ` (${status})` : ''}`].filter(Boolean).join(': '), ' ', moment(at)),
    facts([[text('phase'), phaseOf(phase)], [text('expected'), expected], [text('got'), got]]),
    ...(body ? [element('pre', { tabIndex: 0, ariaLabel: text('body') }, body)] : []),
    ...(evidence ? evidenceOf(evidence) : []));
}

// ---- the view

/** @param {{fail: (error: Error) => void, refresh: () => Promise<void>}} page */
export function makeMonitor(id, page) {
  let targets = [];
  let next = null;
  let chosen = given().get('target') ?? ''; // whose latency is shown; "" for all
  const title = element('h2');
  const about = element('section');
  const list = element('section');
  const state = element('select', { autocomplete: 'off', onchange: () => { targets = []; page.refresh(); } },
    ...['', ...STATES].map((value) => element('option', { value }, text(value || 'any'))));
  const all = element('button', { type: 'button', onclick: () => choose('') }, text('allTargets'));
  const ofTargets = element('section', {}, element('h3', {}, text('targets'), ' ', element('label', { className: 'choice' }, aside(text('state')), ' ', state), ' ', all), list);
  const trend = makeTrend(page, { series: () => ({ monitor: id, ...(chosen && { target: chosen }) }) });
  place('main').replaceChildren(element('p', {}, element('a', { href: '/monitors' }, `← ${text('allChecks')}`)), title,
    element('div', { className: 'columns' }, element('div', {}, about), element('div', {}, trend.made)),
    ofTargets);

  const targetName = () => targets.find((target) => target.id === chosen)?.name ?? chosen;
  const loadTrend = () => trend.load(chosen ? targetName() : '');

  function choose(target) {
    chosen = target === chosen ? '' : target;
    remember('target', chosen);
    renderTargets();
    loadTrend().catch(page.fail);
  }

  function renderAbout(monitor) {
    const { namespace, name, source, service, target, scope, trouble, suspended, spec, targetsTotal, targetsFailing, targetsStarting } = monitor;
    const where = [namespace, name].filter(Boolean).join('/');
    document.title = `${where} · ${text('monitors')} · Nightjar`;
    title.replaceChildren(targetsFailing ? badge('critical', `${targetsFailing} ${text('failing')}`) : '', targetsFailing ? ' ' : '', ...breakable(where));
    refillFolds(about,
      ...(trouble ? [element('p', { className: 'lead warning' }, trouble)] : []), ...(suspended ? [element('p', { className: 'lead' }, text('suspended'))] : []),
      facts([
        [text('target'), breakable(target)], [text('scope'), scopeOf(scope)],
        [text('service'), service ? element('a', { href: serviceLink(monitor), data: { key: 'service' } }, ...breakable(service)) : ''], [text('source'), text(source)],
        [text('targets'), [targetsTotal, targetsFailing ? `, ${targetsFailing} ${text('failing')}` : '', targetsStarting ? `, ${targetsStarting} ${text('starting')}` : ''].join('')],
        ...(spec ? factsOf(spec) : []),
      ]),
      spec ? rawOf(spec) : source === 'derived' ? element('p', { className: 'aside' }, text('byPods')) : '');
  }

  /** It is no more, or a component that only agents know: how it did is still known. */
  function renderGone() {
    document.title = `${id} · ${text('monitors')} · Nightjar`;
    title.replaceChildren(...breakable(id));
    about.replaceChildren(element('p', { className: 'aside' }, text('noMonitor')));
    ofTargets.hidden = true;
  }

  function renderTargets() {
    all.hidden = !chosen;
    const heads = [[text('target'), 'wide'], [text('address')], [text('node')], [text('state')], [text('since')], [text('trend')]];
    const order = ({ state: of }) => STATES.indexOf(of);
    targets.sort((a, b) => order(a) - order(b) || a.name.localeCompare(b.name) || a.id.localeCompare(b.id));
    const rows = targets.flatMap((target) => [row({ className: target.lastFailure ? 'joined' : '' }, heads, [
      [...breakable(target.name), target.id.startsWith('service/') ? aside(` ${text('service')}`) : ''], target.address, target.node, badge(BADGES[target.state], text(target.state)), moment(target.sinceAt),
      element('button', {
        type: 'button', ariaPressed: String(target.id === chosen), ariaLabel: text('showTrend', target.name), data: { key: `trend-${target.id}` }, onclick: () => choose(target.id),
      }, text('trend'))]),
    ...(target.lastFailure ? [element('tr', { role: 'row' }, element('td', { role: 'cell', className: 'wide', colSpan: heads.length }, failureOf(target)))] : [])]);
    const more = element('button', { type: 'button', data: { key: 'more' }, onclick: () => load(next).catch(page.fail) }, text('more'));
    refillFolds(list, ...(rows.length ? [table(text('targets'), heads, rows).made] : [element('p', { className: 'aside' }, text(state.value ? 'noTargetFits' : 'noTargets'))]), ...(next ? [more] : []));
  }

  async function load(cursor) {
    const asked = state.value;
    const query = new URLSearchParams({ limit: cursor ? PAGE : Math.min(1000, Math.max(PAGE, targets.length)), ...(asked && { state: asked }), ...(cursor && { cursor }) });
    const monitor = await get(`/api/v1/monitors/${encodeURIComponent(id)}?${query}`).catch((error) => {
      if (error instanceof NotFound) return null;
      throw error;
    });
    if (asked !== state.value) return; // which asks itself
    if (!monitor) {
      renderGone();
      await loadTrend();
      return;
    }
    ofTargets.hidden = false;
    targets = cursor ? [...targets, ...monitor.targets] : monitor.targets;
    next = monitor.nextCursor;
    renderAbout(monitor);
    renderTargets();
    await loadTrend();
  }

  let soon = null;
  function change(incident) {
    if (incident.monitor === id) soon ??= setTimeout(() => { soon = null; page.refresh(); }, SOON_MS);
  }
  return { load: () => load(), change, look: () => load(), lookMs: LOOK_MS };
}
