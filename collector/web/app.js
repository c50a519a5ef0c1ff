// The page: incidents as they change, and one incident with its crashes and their logs. Reads REST like any other client.

const main = document.querySelector('#main');
const live = document.querySelector('#live');
const login = document.querySelector('#login');
const state = document.querySelector('#state');
const namespace = document.querySelector('#namespace');
const incidentId = /^\/incidents\/(\d+)$/.exec(location.pathname)?.[1];

function headers() {
  const token = sessionStorage.getItem('token');
  return token ? { Authorization: `Bearer ${token}` } : {};
}

async function get(path) {
  const response = await fetch(path, { headers: headers() });
  if (response.status === 401) {
    login.hidden = false;
    throw new Error('A read token is needed: the key read-token of the Secret nightjar-api.');
  }
  if (!response.ok) {
    const problem = await response.json().catch(() => ({ detail: response.statusText }));
    throw new Error(problem.detail);
  }
  return response;
}

/** An element with text or children; text is never taken for HTML. */
function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const time = (text) => (text ? new Date(text).toLocaleString() : '');
const link = (incident) => element('a', { href: `/incidents/${incident.id}` }, `#${incident.id}`);

function row(incident) {
  const what = incident.crashLoop ? 'crash loop' : incident.kind.replaceAll('_', ' ');
  return element('tr', {},
    element('td', {}, link(incident)),
    element('td', { className: incident.state === 'resolved' ? 'resolved' : incident.severity }, incident.state === 'resolved' ? 'resolved' : incident.severity),
    element('td', {}, what),
    element('td', {}, incident.fullName + (incident.container ? ` / ${incident.container}` : '')),
    element('td', {}, incident.reason + (incident.exitCode === null ? '' : ` (exit ${incident.exitCode})`)),
    element('td', { className: 'number' }, String(incident.count)),
    element('td', {}, time(incident.lastAt)));
}

async function showList() {
  const query = new URLSearchParams({ limit: 200 });
  if (state.value) query.set('state', state.value);
  if (namespace.value) query.set('namespace', namespace.value);
  const { items } = await (await get(`/api/v1/incidents?${query}`)).json();
  if (items.length === 0) {
    main.replaceChildren(element('p', { className: 'empty' }, `No ${state.value} incidents.`));
    return;
  }
  const head = ['', 'Severity', 'What', 'Where', 'Reason', 'Count', 'Last'].map((text) => element('th', { scope: 'col' }, text));
  main.replaceChildren(element('table', {}, element('thead', {}, element('tr', {}, ...head)), element('tbody', {}, ...items.map(row))));
}

function details(incident) {
  const facts = {
    Name: incident.fullName, Workload: `${incident.workloadKind} ${incident.workload}`, Container: incident.container, Pod: incident.pod,
    Node: incident.node, Image: incident.image, Reason: incident.reason, Message: incident.message, Count: incident.count,
    First: time(incident.firstAt), Last: time(incident.lastAt), Resolved: incident.resolvedAt ? `${time(incident.resolvedAt)} (${incident.resolvedCause})` : '',
  };
  const list = element('dl');
  for (const [name, value] of Object.entries(facts)) {
    if (value !== '' && value !== null) list.append(element('dt', {}, name), element('dd', {}, String(value)));
  }
  return list;
}

async function showLog(crash, place) {
  const text = await (await get(`/api/v1/crashes/${crash.id}/log`)).text();
  const save = element('a', { href: URL.createObjectURL(new Blob([text], { type: 'text/plain' })), download: `${crash.namespace}_${crash.pod}_${crash.container}_${crash.attempt}.log` }, 'Save');
  place.replaceChildren(element('h3', {}, `Log of ${crash.pod} / ${crash.container}, attempt ${crash.attempt} `, save),
    element('pre', {}, text || crash.log.missing || '(empty)'));
}

async function showIncident() {
  const incident = await (await get(`/api/v1/incidents/${incidentId}`)).json();
  const { items } = await (await get(`/api/v1/crashes?incident=${incidentId}&limit=100`)).json();
  const log = element('section');
  const rows = items.map((crash) => {
    const show = element('button', { type: 'button', onclick: () => showLog(crash, log).catch(fail) }, 'Log');
    return element('tr', {}, element('td', {}, time(crash.finishedAt)), element('td', {}, crash.pod), element('td', { className: 'number' }, String(crash.attempt)),
      element('td', {}, `${crash.reason} (exit ${crash.exitCode})`), element('td', { className: 'number' }, String(crash.log.lines)), element('td', {}, show));
  });
  const head = ['Finished', 'Pod', 'Attempt', 'Reason', 'Lines', ''].map((text) => element('th', { scope: 'col' }, text));
  main.replaceChildren(element('h2', {}, `#${incident.id} ${incident.crashLoop ? 'crash loop' : incident.kind.replaceAll('_', ' ')}: ${incident.state}`), details(incident),
    ...(items.length ? [element('table', {}, element('thead', {}, element('tr', {}, ...head)), element('tbody', {}, ...rows)), log] : []));
  if (items.length) await showLog(items[0], log);
}

function fail(error) {
  main.replaceChildren(element('p', { className: 'problem' }, error.message));
}

function show() {
  return (incidentId ? showIncident() : showList()).catch(fail);
}

/** Reads the stream of incidents with fetch(), since EventSource cannot send a token; each event shows the list anew. */
async function follow() {
  for (;;) {
    try {
      const response = await get('/api/v1/incidents/stream');
      live.textContent = 'live';
      live.className = '';
      let waiting = false;
      for (const reader = response.body.getReader(); ;) {
        const { done, value } = await reader.read();
        if (done) break;
        if (!waiting && value.length > 4) {
          waiting = true;
          setTimeout(() => { waiting = false; show(); }, 300);
        }
      }
    } catch { /* said below; tried again */ }
    live.textContent = 'not live';
    live.className = 'off';
    await new Promise((resolve) => { setTimeout(resolve, 3000); });
  }
}

login.addEventListener('submit', (event) => {
  event.preventDefault();
  sessionStorage.setItem('token', document.querySelector('#token').value);
  login.hidden = true;
  show();
});
state.addEventListener('change', show);
namespace.addEventListener('change', show);
if (incidentId) document.querySelector('nav').hidden = true;
show();
follow();
