// Silences: what nobody is told, until when and why; and how much the alerts of each rule are worth.

import { author, makeAuthor } from './care.js';
import { aside, badge, element, given, makeFilter, moment, place, refill, refillFolds, row, table } from './elements.js';
import { LABELS, matchersText, parseMatchers } from './matchers.js';
import { get, mayWrite, send } from './rest.js';
import { kindOf, lengthOf, percent, text } from './words.js';

const PAGE = 200; // silences that are asked for at once
const MOST = 1000; // that REST gives
const LENGTHS = [1, 4, 12, 24, 72, 168, 720]; // hours
const HOUR_MS = 3_600_000;
const HOUR_S = 3600;
const BADGES = { active: 'warning', pending: 'info', expired: 'resolved' };

/** @param {(silence: object) => Promise<void>} onNew */
function makeForm(onNew) {
  const asked = given().get('matchers') ?? '';
  const matchers = element('input', { name: 'matchers', required: true, size: 60, autocomplete: 'off', spellcheck: false, value: asked, placeholder: 'namespace="shop", workload=~"web-.*"' });
  const hint = element('p', { id: 'matchers-hint', className: 'aside' }, text('matchersHint', LABELS.join(', ')));
  matchers.setAttribute('aria-describedby', 'matchers-hint');
  const reason = element('input', { name: 'reason', required: true, maxLength: 1024, size: 40, autocomplete: 'off' });
  const length = element('select', { name: 'length' }, ...LENGTHS.map((hours) => element('option', { value: String(hours) }, lengthOf(hours * HOUR_S))));
  const maintenance = element('input', { name: 'maintenance', type: 'checkbox' });
  const name = makeAuthor();
  const problem = element('p', { role: 'alert', className: 'critical', hidden: true });
  const label = (words, input) => element('label', {}, words, ' ', input);
  const form = element('form', { className: 'fields' },
    label(text('matchers'), matchers), hint, label(text('comment'), reason), label(text('lasts'), length), label(text('yourName'), name),
    element('label', {}, maintenance, ' ', text('maintenanceHint')), element('button', {}, text('create')), problem);
  const refuse = (words) => {
    problem.textContent = words;
    problem.hidden = words === '';
  };

  async function submit() {
    author.set(name.value.trim());
    const until = new Date(Date.now() + Number(length.value) * HOUR_MS).toISOString();
    try {
      const made = await send('POST', '/api/v1/silences', {
        matchers: parseMatchers(matchers.value), author: author.get(), reason: reason.value.trim(), until, maintenance: maintenance.checked });
      refuse('');
      form.reset();
      matchers.value = '';
      await onNew(made);
    } catch (error) {
      refuse(error instanceof SyntaxError ? text('matchersBad', error.message) : error.message);
    }
  }
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    submit();
  });
  return element('details', { open: asked !== '', data: { fold: 'new' } }, element('summary', { data: { key: 'new' } }, text('newSilence')), form);
}

function rulesOf(rules) {
  const heads = [[text('rule'), 'wide'], [text('times'), 'number'], [text('heldBack'), 'number'], [text('useful'), 'number'], [text('noise'), 'number'], [text('precision'), 'number'],
    [text('byItself'), 'number'], [text('median'), 'number'], ['']];
  const or = (value, write) => (value === null ? '–' : write(value));
  const rows = rules.map((rule) => row({}, heads, [
    [kindOf(rule), rule.reason ? aside(` ${rule.reason}`) : ''], String(rule.count), String(rule.suppressed), String(rule.useful), String(rule.noise), or(rule.precision, percent),
    or(rule.resolvedByItself, percent), or(rule.medianSeconds, lengthOf),
    [rule.flagged ? badge('warning', text('flagged')) : '', rule.demoted ? aside(` ${text('demoted')}`) : '']]));
  return [element('h3', {}, text('rules')), element('p', { className: 'aside' }, text('rulesHint')), table(text('rules'), heads, rows).made];
}

/** @param {{fail: (error: Error) => void, refresh: () => Promise<void>}} page */
export function makeSilences(page) {
  let silences = [];
  let next = null;
  let may = false;
  const { wanted, isUsual } = makeFilter([{ name: 'state', choices: ['active', 'pending', 'expired', ''] }], () => { silences = []; page.refresh(); });
  const form = makeForm(() => page.refresh());
  const onlyReads = element('p', { className: 'aside', hidden: true }, text('onlyReads'));
  const summary = element('p', { role: 'status', className: 'aside' });
  const list = element('div');
  const rules = element('section');
  form.hidden = true;
  place('main').replaceChildren(form, onlyReads, summary, list, rules);
  document.title = `${text('silences')} · Nightjar`;

  const end = (id) => send('DELETE', `/api/v1/silences/${id}`).then(() => page.refresh()).catch(page.fail);

  function render() {
    const heads = [['#'], [text('state')], [text('matchers'), 'wide'], [text('comment'), 'wide'], [text('by_')], [text('from')], [text('until')], ['']];
    const rows = silences.map((silence) => row({}, heads, [
      String(silence.id), [badge(BADGES[silence.state], text(silence.state)), silence.maintenance ? aside(` ${text('maintenance')}`) : ''],
      element('code', {}, matchersText(silence.matchers)), silence.reason, silence.author, moment(silence.from), moment(silence.until),
      may && silence.state !== 'expired' ? element('button', { type: 'button', ariaLabel: text('endSilenceOf', silence.id), data: { key: `end-${silence.id}` }, onclick: () => end(silence.id) }, text('endSilence')) : '']));
    summary.textContent = rows.length ? '' : text(isUsual() ? 'noSilences' : 'noSilenceFits');
    const more = element('button', { type: 'button', data: { key: 'more' }, onclick: () => load(next).catch(page.fail) }, text('more'));
    refill(list, ...(rows.length ? [table(text('allSilences'), heads, rows).made] : []), ...(next ? [more] : []));
  }

  async function load(cursor) {
    const { state } = wanted();
    const query = new URLSearchParams({ limit: cursor ? PAGE : Math.min(MOST, Math.max(PAGE, silences.length)), ...(state && { state }), ...(cursor && { cursor }) });
    const [answer, precision, allowed] = await Promise.all([get(`/api/v1/silences?${query}`), get('/api/v1/rules'), mayWrite()]);
    if (state !== wanted().state) return; // which asks itself
    silences = cursor ? [...silences, ...answer.items] : answer.items;
    next = answer.nextCursor;
    may = allowed;
    form.hidden = !may;
    onlyReads.hidden = may;
    render();
    refillFolds(rules, ...(precision.items.length ? rulesOf(precision.items) : []));
  }
  return { load: () => load(), change: () => {}, look: () => load() };
}
