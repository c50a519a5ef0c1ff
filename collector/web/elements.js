// What the page is made of: elements, tables, times, and the filter in its header.

import { ago, localTime, text } from './words.js';

export const place = (id) => document.getElementById(id);

/** An element with text or children; text is never taken for HTML. */
export function element(name, properties = {}, ...children) {
  const { data = {}, ...others } = properties;
  const made = Object.assign(document.createElement(name), others);
  Object.assign(made.dataset, data);
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ''));
  return made;
}

export function moment(iso) {
  if (!iso) return '';
  const date = new Date(iso);
  return element('time', { dateTime: iso, title: `${iso.replace('T', ' ').replace('Z', '')} UTC` },
    element('span', { className: 'nowrap' }, localTime(date)), ' ',
    element('span', { className: 'aside nowrap', data: { ago: iso } }, ago(date)));
}

/** Long names may break after a dot or a dash. */
export function breakable(name) {
  return name.split(/(?<=[.\-/])/).flatMap((part) => [part, element('wbr')]);
}

export const aside = (words) => element('span', { className: 'aside' }, words);
export const badge = (className, words = text(className)) => element('span', { className: `badge ${className}` }, words);

const columnHead = ([label, className = '', shown = label]) => element('th', { scope: 'col', role: 'columnheader', className }, shown);

/**
 * Roles are said, because the narrow layout takes the tags' own away.
 * @param {[string, string?, (string | Node)?][]} heads label, class, and what is shown of it when that is not the label
 * @param {[string, number][]} [groups] names of so many columns each, above the heads
 */
export function table(caption, heads, rows, groups) {
  const body = element('tbody', { role: 'rowgroup' }, ...rows);
  const above = groups?.map(([label, colSpan]) => element('th', { scope: 'colgroup', role: 'columnheader', className: label && 'group', colSpan }, label));
  const made = element('table', { role: 'table', ariaLabel: caption },
    element('thead', { role: 'rowgroup' }, above ? element('tr', { role: 'row' }, ...above) : '', element('tr', { role: 'row' }, ...heads.map(columnHead))), body);
  return { made, body };
}

/** A wide table that is moved sideways within its place, by keyboard too. */
export const sideways = (label, made) => element('div', { className: 'sideways', role: 'region', ariaLabel: label, tabIndex: 0 }, made);

export function row(properties, heads, cells) {
  return element('tr', { role: 'row', ...properties },
    ...cells.map((cell, i) => element('td', { role: 'cell', className: heads[i][1] ?? '', data: { label: heads[i][0] } }, ...[cell].flat())));
}

/** Neither said nor known; a list of nothing is that too. */
const isNothing = (value) => (Array.isArray(value)
  ? value.every(isNothing)
  : value === '' || value === null || value === undefined || value === 0 || (value instanceof Node && !value.textContent));

export function facts(pairs) {
  const list = element('dl');
  for (const [name, value] of pairs) {
    if (!isNothing(value)) {
      list.append(element('dt', {}, name), element('dd', {}, ...[value].flat().map((part) => (part instanceof Node ? part : String(part)))));
    }
  }
  return list;
}

/** Replaces an element's children, with the keyboard's focus where it was. */
export function refill(parent, ...children) {
  const key = document.activeElement?.dataset?.key;
  parent.replaceChildren(...children);
  if (key && document.activeElement === document.body) {
    [...parent.querySelectorAll('[data-key]')].find(({ dataset }) => dataset.key === key)?.focus();
  }
}

/** As refill(), and what was folded out stays so. */
export function refillFolds(parent, ...children) {
  const isOpen = new Map([...parent.querySelectorAll('details[data-fold]')].map(({ dataset, open }) => [dataset.fold, open]));
  refill(parent, ...children);
  for (const details of parent.querySelectorAll('details[data-fold]')) details.open = isOpen.get(details.dataset.fold) ?? details.open;
}

/** A picture that is drawn anew when its place has another width. @param {(width: number) => Node} drawn */
export function figure(drawn) {
  const made = element('figure');
  let width = 0;
  const draw = () => {
    if (width > 0) made.replaceChildren(drawn(width));
  };
  new ResizeObserver(([{ contentRect }]) => {
    if (Math.floor(contentRect.width) === width) return;
    width = Math.floor(contentRect.width);
    draw();
  }).observe(made);
  return { made, draw };
}

/** What is filled when it is folded out. */
export function fold(label, key, fill) {
  const made = element('details', {}, element('summary', { data: { key } }, label), element('div'));
  const draw = () => { if (made.open) refill(made.lastChild, fill()); };
  made.addEventListener('toggle', draw);
  return { made, draw };
}

/** To be saved as a file. */
export function offerFile(words, type, name) {
  const url = URL.createObjectURL(new Blob([words], { type }));
  element('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

// ---- what the view is asked for: in its URL

export const given = () => new URLSearchParams(location.search);

/** Puts a wish into the URL, or takes it out, so that the view can be handed on as a link. */
export function remember(name, value) {
  const query = given();
  if (value) query.set(name, value);
  else query.delete(name);
  history.replaceState(null, '', `${location.pathname}${query.size ? `?${query}` : ''}`);
}

/** Buttons for how far back, of which the first is the usual one unless another is. @param {() => void} onChange */
export function makeRange(onChange, { ranges = ['1h', '6h', '1d', '7d', '30d'], usual = ranges[0] } = {}) {
  let chosen = ranges.includes(given().get('range')) ? given().get('range') : usual;
  const buttons = ranges.map((value) => element('button', { type: 'button', data: { range: value }, onclick: () => choose(value) }, text(`last${value}`)));
  const press = () => { for (const button of buttons) button.ariaPressed = String(button.dataset.range === chosen); };
  function choose(value) {
    chosen = value;
    remember('range', chosen === usual ? '' : chosen);
    press();
    onChange();
  }
  press();
  const title = element('span', { className: 'lead' });
  return { made: element('p', { className: 'choices', role: 'group', ariaLabel: text('range') }, title, ...buttons), title, value: () => chosen };
}

/**
 * The header's filter: selects for fields with choices, of which the first is the usual one, a box to tick, or text.
 * @param {{name: string, choices?: string[], isFlag?: boolean, list?: boolean}[]} fields
 * @param {() => void} onChange
 */
export function makeFilter(fields, onChange) {
  const form = place('filter');
  const inputs = new Map();
  for (const { name, choices, isFlag, list } of fields) {
    const asked = given().get(name) ?? '';
    let input;
    if (choices) {
      input = element('select', { name, autocomplete: 'off' }, ...choices.map((value) => element('option', { value }, text(value || 'any'))));
      input.value = given().has(name) && choices.includes(asked) ? asked : choices[0];
    } else if (isFlag) {
      input = element('input', { name, type: 'checkbox', checked: asked === 'true' });
    } else {
      input = element('input', { name, type: 'search', size: 12, autocomplete: 'off', spellcheck: false, value: asked });
      if (list) input.setAttribute('list', `${name}s`);
      input.addEventListener('search', () => input.dispatchEvent(new Event('change', { bubbles: true })));
    }
    inputs.set(name, input);
    const label = element('span', {}, text(isFlag ? `${name}Only` : name));
    form.append(element('label', {}, ...(isFlag ? [input, ' ', label] : [label, ' ', input])));
  }
  const valueOf = (input) => (input.type === 'checkbox' ? String(input.checked || '') : input.value.trim());
  const wanted = () => Object.fromEntries([...inputs].map(([name, input]) => [name, valueOf(input)]));
  const isUsual = () => fields.every(({ name, choices }) => wanted()[name] === (choices?.[0] ?? ''));
  let last = JSON.stringify(wanted());
  form.hidden = false;
  form.addEventListener('submit', (event) => event.preventDefault());
  form.addEventListener('change', () => {
    if (JSON.stringify(wanted()) === last) return; // a search field tells twice
    last = JSON.stringify(wanted());
    const query = given();
    for (const { name, choices } of fields) {
      if (wanted()[name] === (choices?.[0] ?? '')) query.delete(name);
      else query.set(name, wanted()[name]);
    }
    history.replaceState(null, '', `${location.pathname}${query.size ? `?${query}` : ''}`);
    onChange();
  });
  return { wanted, isUsual };
}

/** What the filter's text field offers. */
export function offer(name, values) {
  place(`${name}s`).replaceChildren(...[...new Set(values)].filter(Boolean).sort().map((value) => element('option', { value })));
}
