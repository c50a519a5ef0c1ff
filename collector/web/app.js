// The page: which view there is, its token, and staying up to date.

import { element, place } from './elements.js';
import { makeIncident } from './incident.js';
import { makeIncidents } from './incidents.js';
import { makeMonitor } from './monitor.js';
import { makeMonitors } from './monitors.js';
import { makeNode } from './node.js';
import { makeNodes } from './nodes.js';
import { makeResource } from './resource.js';
import { makeResources } from './resources.js';
import { changes, token, Unauthorized, Unreachable } from './rest.js';
import { makeService } from './service.js';
import { makeServices } from './services.js';
import { makeSilences } from './silences.js';
import { ago, LANGUAGES, language, localTime, setLanguage, text, zone } from './words.js';

const LOOK_AGAIN_MS = 15_000; // while nothing is pushed
const SURROUNDINGS_MS = 60_000; // agents and notifications
const HIDDEN_MS = 60_000; // nobody looks: no longer followed, since a browser has few connections, and the server too

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

const [section, ...names] = location.pathname.split('/').slice(1).filter(Boolean).map(decodeURIComponent);
const page = { refresh, fail };

function makeView() {
  const [first, second] = names;
  if (section === 'incidents' && /^\d+$/.test(first)) return makeIncident(Number(first), page);
  if (section === 'monitors') return first ? makeMonitor(first, page) : makeMonitors(page);
  if (section === 'resources') return second ? makeResource(first, second, page) : makeResources(page);
  if (section === 'nodes') return first ? makeNode(first, page) : makeNodes(page);
  if (section === 'services') return second ? makeService(first, second, page) : makeServices(page);
  if (section === 'silences') return makeSilences(page);
  return makeIncidents(page);
}

const view = makeView();

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
  const links = [...document.querySelectorAll('nav a')];
  (links.find((link) => link.getAttribute('href') === `/${section}`) ?? links[0]).ariaCurrent = 'page';
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
setInterval(lookAround, view.lookMs ?? SURROUNDINGS_MS);
setInterval(() => {
  for (const relative of document.querySelectorAll('[data-ago]')) relative.textContent = ago(new Date(relative.dataset.ago));
}, 30_000);
