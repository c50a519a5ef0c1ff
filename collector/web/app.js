// The page: incidents as they change, and one incident with its crashes and their logs.

import { ago, bytes, causeOf, kindOf, LANGUAGES, language, localTime, reasonOf, setLanguage, shortReasonOf, text, zone } from './words.js';
import { changes, get, token, Unauthorized, Unreachable } from './rest.js';

const PAGE = 200; // incidents that are asked for at once
const LOOK_AGAIN_MS = 15_000; // while nothing is pushed
const SURROUNDINGS_MS = 60_000; // agents and notifications
const HIDDEN_MS = 60_000; // nobody looks: no longer followed, since a browser has few connections, and the server too
const EXCERPT = 160; // characters of a message in the list

const place = (id) => document.getElementById(id);
const incidentId = Number(/^\/incidents\/(\d+)$/.exec(location.pathname)?.[1] ?? 0);

// ---- elements

/** An element with text or children; text is never taken for HTML. */
function element(name, properties = {}, ...children) {
  const { data = {}, ...others } = properties;
  const made = Object.assign(document.createElement(name), others);
  Object.assign(made.dataset, data);
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ''));
  return made;
}

function moment(iso) {
  if (!iso) return '';
  const date = new Date(iso);
  return element('time', { dateTime: iso, title: `${iso.replace('T', ' ').replace('Z', '')} UTC` },
    element('span', { className: 'nowrap' }, localTime(date)), ' ',
    element('span', { className: 'aside nowrap', data: { ago: iso } }, ago(date)));
}

/** Long names may break after a dot or a dash. */
function breakable(name) {
  return name.split(/(?<=[.\-/])/).flatMap((part) => [part, element('wbr')]);
}

const excerpt = (words) => (words.length > EXCERPT ? `${words.slice(0, EXCERPT)}…` : words);

const badge = (incident) => {
  const word = incident.state === 'resolved' ? 'resolved' : incident.severity;
  return element('span', { className: `badge ${word}` }, text(word));
};

/** Roles are said, because the narrow layout takes the tags' own away. @param {[string, string?][]} heads label, class */
function table(caption, heads, rows) {
  const head = heads.map(([label, className = '']) => element('th', { scope: 'col', role: 'columnheader', className }, label));
  const body = element('tbody', { role: 'rowgroup' }, ...rows);
  const made = element('table', { role: 'table', ariaLabel: caption },
    element('thead', { role: 'rowgroup' }, element('tr', { role: 'row' }, ...head)), body);
  return { made, body };
}

function row(properties, heads, cells) {
  return element('tr', { role: 'row', ...properties },
    ...cells.map((cell, i) => element('td', { role: 'cell', className: heads[i][1] ?? '', data: { label: heads[i][0] } }, ...[cell].flat())));
}

function facts(pairs) {
  const list = element('dl');
  for (const [name, value] of pairs) {
    if (value !== '' && value !== null && value !== undefined && value !== 0) {
      list.append(element('dt', {}, name), element('dd', {}, ...[value].flat().map((part) => (part instanceof Node ? part : String(part)))));
    }
  }
  return list;
}

/** Replaces an element's children, with the keyboard's focus where it was. */
function refill(parent, ...children) {
  const key = document.activeElement?.dataset?.key;
  parent.replaceChildren(...children);
  if (key && document.activeElement === document.body) {
    [...parent.querySelectorAll('[data-key]')].find(({ dataset }) => dataset.key === key)?.focus();
  }
}

// ---- the list

const filter = place('filter');

function makeList() {
  const known = new Map(); // id to incident
  const rows = new Map(); // id to {made, revision}
  let pushed = 0; // id of the incident that was told just now
  let next = null; // cursor of the page after the last one shown
  let lowest = Infinity; // the lowest id that was asked for
  const wanted = () => Object.fromEntries(['state', 'severity', 'namespace'].map((name) => [name, filter.elements[name].value.trim()]));
  const fits = (incident) => Object.entries(wanted()).every(([name, value]) => !value || incident[name] === value);

  const heads = [['#'], [text('severity')], [text('what')], [text('where'), 'wide where'], [text('reason'), 'wide reason'], [text('times'), 'number'], [text('last')]];
  const summary = element('p', { role: 'status', className: 'aside' });
  const { made, body } = table(text('back'), heads, []);
  made.hidden = true;
  const more = element('button', { type: 'button', hidden: true, onclick: () => load(next).catch(fail) }, text('more'));
  const surroundings = element('section');
  place('main').replaceChildren(summary, made, more, surroundings);

  function rowOf(incident) {
    const kept = rows.get(incident.id);
    if (kept?.revision === incident.revision) return kept.made;
    const link = (label, key) => element('a', { href: `/incidents/${incident.id}`, data: { key } }, ...label);
    const cells = [
      link([`#${incident.id}`], `id-${incident.id}`), badge(incident), kindOf(incident),
      [link(breakable(incident.fullName), `name-${incident.id}`), incident.container ? element('span', { className: 'aside' }, ` / ${incident.container}`) : ''],
      [reasonOf(incident), incident.message ? element('span', { className: 'aside excerpt' }, excerpt(incident.message)) : ''], String(incident.count), moment(incident.lastAt),
    ];
    const fresh = row({ className: kept || incident.id === pushed ? 'changed' : '' }, heads, cells);
    rows.set(incident.id, { made: fresh, revision: incident.revision });
    return fresh;
  }

  function render() {
    for (const id of rows.keys()) if (!known.has(id)) rows.delete(id);
    const shown = [...known.values()].sort((a, b) => (b.lastAt ?? '').localeCompare(a.lastAt ?? '') || b.id - a.id);
    const wantedRows = shown.map(rowOf);
    if (wantedRows.length !== body.children.length || wantedRows.some((made, i) => made !== body.children[i])) refill(body, ...wantedRows);
    const { state, severity, namespace } = wanted();
    const isUsual = state === 'open' && !severity && !namespace;
    summary.textContent = shown.length === 0 ? text(isUsual ? 'none' : 'noneFits') : text('count', `${shown.length}${next ? '+' : ''}`, state && text(state));
    made.hidden = shown.length === 0;
    more.hidden = !next;
    place('namespaces').replaceChildren(...[...new Set(shown.map(({ namespace }) => namespace))].sort().map((value) => element('option', { value })));
  }

  async function load(cursor) {
    const query = new URLSearchParams({ limit: PAGE });
    for (const [name, value] of Object.entries({ ...wanted(), cursor })) if (value) query.set(name, value);
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

  function setFilter() {
    const query = new URLSearchParams(Object.entries(wanted()).filter(([name, value]) => (name === 'state' ? value !== 'open' : value)));
    history.replaceState(null, '', `${query}` ? `/?${query}` : '/');
    refresh();
  }

  async function look() {
    const [agents, notifications] = await Promise.all([get('/api/v1/agents'), get('/api/v1/notifications?limit=100')]);
    const open = [...surroundings.querySelectorAll('details')].map((details) => details.open);
    refill(surroundings, agentsOf(agents.items), ...(notifications.items.length ? [untoldOf(notifications.items)] : []));
    [...surroundings.querySelectorAll('details')].forEach((details, i) => { details.open = open[i] ?? false; });
  }

  const given = new URLSearchParams(location.search);
  const choices = (name, values) => {
    filter.elements[name].replaceChildren(...values.map((value) => element('option', { value }, text(value || 'any'))));
    filter.elements[name].value = values.includes(given.get(name)) ? given.get(name) : values[0];
  };
  choices('state', ['open', 'resolved', '']);
  choices('severity', ['', 'critical', 'warning', 'info']);
  filter.elements.namespace.value = given.get('namespace') ?? '';
  filter.hidden = false;
  filter.addEventListener('submit', (event) => event.preventDefault());
  filter.addEventListener('change', setFilter);
  filter.elements.namespace.addEventListener('search', setFilter);
  return { load: () => load(), change, look };
}

function agentsOf(agents) {
  const silent = agents.filter((agent) => agent.silent).length;
  const heads = [[text('node'), 'wide'], [text('heard')], [text('version')], [text('pods'), 'number'], [text('waiting'), 'number'], [text('dropped'), 'number']];
  const rows = agents.map((agent) => row({}, heads, [
    [...breakable(`${agent.cluster} / ${agent.node}`), agent.silent ? element('span', { className: 'badge warning' }, text('silent')) : ''],
    moment(agent.lastHeardAt), agent.version, String(agent.pods), String(agent.outboxEvents), String(agent.droppedEvents)]));
  return element('details', {}, element('summary', { className: silent ? 'warning' : '', data: { key: 'agents' } }, text('agents', agents.length, silent)), table('agents', heads, rows).made);
}

const TOLD_HEADS = () => [[text('time')], [text('group')], [text('channel')], [text('transition')], [text('status'), 'wide']];
const toldRow = (heads, told) => row({}, heads, [
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
  return element('details', {}, element('summary', { className: 'warning', data: { key: 'untold' } }, text('untold', notifications.length)), table('notifications', heads, rows).made);
}

// ---- one incident

function makeIncident() {
  let revision = 0;
  let shownCrash = null; // id
  let followsLatest = true; // nobody has chosen another crash
  let crashes = [];
  let next = null;
  const title = element('h2');
  const about = element('section');
  const told = element('section');
  const log = element('section', { hidden: true });
  const list = element('section');
  place('main').replaceChildren(element('p', {}, element('a', { href: '/' }, `← ${text('back')}`)),
    title, element('div', { className: 'columns' }, element('div', {}, about), element('div', {}, log, list, told)));

  function renderIncident(incident) {
    if (incident.revision < revision) return;
    revision = incident.revision;
    document.title = `#${incident.id} ${incident.namespace}/${incident.workload} · Nightjar`;
    title.replaceChildren(`#${incident.id} `, badge(incident), ` ${kindOf(incident)}: `, ...breakable(`${incident.namespace}/${incident.workload}`));
    about.replaceChildren(
      element('p', { className: 'lead' }, reasonOf(incident)),
      ...(incident.suppressed ? [element('p', { className: 'warning' }, text('suppressed', incident.suppressed))] : []),
      facts([
        [text('name'), breakable(incident.fullName)], [text('workload'), `${incident.workloadKind} ${incident.workload}`],
        [text('container'), incident.container], [text('pod'), breakable(incident.pod)], [text('node'), incident.node],
        [text('image'), breakable(incident.image)], [text('message'), element('span', { className: 'message' }, incident.message)],
        [text('times'), incident.count], [text('lost'), incident.lost], [text('restarts'), incident.restartCount],
        [text('limit'), incident.memoryLimitBytes ? bytes(incident.memoryLimitBytes) : ''],
        [text('first'), moment(incident.firstAt)], [text('last'), moment(incident.lastAt)],
        [text('ended'), incident.resolvedAt ? [moment(incident.resolvedAt), ` ${causeOf(incident)}`] : ''],
      ].filter(([, value]) => !(value instanceof Node) || value.textContent)));
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
        onclick: () => { followsLatest = crash.id === crashes[0].id; showLog(crash.id).catch(fail); },
      }, text('log'))]));
    const more = element('button', { type: 'button', data: { key: 'more' }, onclick: () => loadCrashes(next).catch(fail) }, text('more'));
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
    renderIncident(await get(`/api/v1/incidents/${incidentId}`));
    await Promise.all([loadCrashes(), look()]);
  }

  let soon = null; // many changes are one look
  function change(incident) {
    if (incident.id !== incidentId) return;
    renderIncident(incident);
    soon ??= setTimeout(() => { soon = null; refresh(); }, 1000);
  }
  return { load, change, look };
}

function saveLog(crash) {
  const url = URL.createObjectURL(new Blob([crash.log.text], { type: 'text/plain' }));
  element('a', { href: url, download: `${crash.namespace}_${crash.pod}_${crash.container}_${crash.attempt}.log` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

// ---- what goes wrong

let loadedAt = null; // when the collector last answered

function fail(error) {
  if (error instanceof Unauthorized) {
    askForToken();
    return;
  }
  const said = error instanceof Unreachable ? text('unreachable') : error.message;
  place('problem').textContent = loadedAt ? `${said} ${text('stale', localTime(loadedAt))}` : said;
  place('problem').hidden = false;
}

const login = place('login');
let onToken = null; // goes on with the stream once there is a token

function askForToken() {
  if (!login.hidden) return;
  place('login-hint').textContent = text(token.get() ? 'tokenWrong' : 'tokenHint');
  token.forget();
  place('logout').hidden = true;
  login.hidden = false;
  place('token').value = '';
  place('token').focus();
}

login.addEventListener('submit', (event) => {
  event.preventDefault();
  token.set(place('token').value.trim());
  login.hidden = true;
  refresh();
  onToken?.();
});
place('logout').addEventListener('click', () => {
  token.forget();
  location.reload();
});

// ---- staying up to date

const view = incidentId ? makeIncident() : makeList();

async function refresh() {
  try {
    await view.load();
    if (!loadedAt) setTimeout(lookAround);
    loadedAt = new Date();
    place('problem').hidden = true;
    place('logout').hidden = !token.get();
  } catch (error) {
    fail(error);
  }
}

function setLive(word) {
  place('live').textContent = text(word);
  place('live').className = word;
}

const after = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

let connection = null;
let leaving = null;
document.addEventListener('visibilitychange', () => {
  clearTimeout(leaving);
  if (document.hidden) leaving = setTimeout(() => connection?.abort(), HIDDEN_MS);
});

async function untilVisible() {
  while (document.hidden) await new Promise((resolve) => { document.addEventListener('visibilitychange', resolve, { once: true }); });
}

/** One connection's changes. Each begins with a look at the whole: what happened before it is not told. */
async function followOnce() {
  connection = new AbortController();
  for await (const incident of changes(connection)) {
    if (incident) {
      view.change(incident);
      loadedAt = new Date();
    } else {
      setLive('live');
      await refresh();
    }
  }
}

async function follow() {
  setLive('connecting');
  for (;;) {
    let error = null;
    await untilVisible();
    await followOnce().catch((thrown) => { error = thrown; });
    if (error instanceof Unauthorized) {
      setLive('locked');
      askForToken();
      await new Promise((resolve) => { onToken = resolve; });
      continue;
    }
    setLive('notLive');
    if (document.hidden) continue;
    await refresh();
    await after(LOOK_AGAIN_MS * (0.75 + Math.random() / 2)); // not all pages at once after a restart
  }
}

function lookAround() {
  if (login.hidden && !document.hidden) view.look().catch(() => { /* the next look may succeed; refresh() says what is wrong */ });
}

function translate() {
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : language;
  for (const labelled of document.querySelectorAll('[data-text]')) labelled.textContent = text(labelled.dataset.text);
  place('zone').textContent = text('zone', zone());
  const chosen = place('language');
  chosen.replaceChildren(...Object.entries(LANGUAGES).map(([value, name]) => element('option', { value, lang: value }, name)));
  chosen.value = language;
  chosen.addEventListener('change', () => {
    setLanguage(chosen.value);
    const url = new URL(location.href);
    url.searchParams.delete('lang');
    location.replace(url);
  });
}

translate();
follow();
setInterval(lookAround, SURROUNDINGS_MS);
setInterval(() => {
  for (const relative of document.querySelectorAll('[data-ago]')) relative.textContent = ago(new Date(relative.dataset.ago));
}, 30_000);
