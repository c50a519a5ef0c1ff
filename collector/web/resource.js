// One workload: what it used over time beside what it asks for, its pods, and what it should ask for and why.

import { BOUNDS, byteTicks, ceiling, ticks, uses, USES } from './chart.js';
import { aside, breakable, element, figure, fold, makeRange, place, refill, refillFolds, row, table } from './elements.js';
import { get } from './rest.js';
import { resourceTable } from './resources.js';
import { bytes, columnOf, cores, lengthOf, localTime, percent, text } from './words.js';

const PODS = 100; // in the table
const AGAIN_MS = 55_000; // minutes are told once a minute
const ADVICE_FROM = '7d'; // less than this says little; a longer range is what it is
const LONGER = new Set(['7d', '30d']);

const PICTURES = [
  { metric: 'cpu', write: cores, levelsOf: ticks }, { metric: 'memory', write: bytes, levelsOf: byteTicks },
  { metric: 'throttled', write: percent, levelsOf: ticks, isOptional: true },
  { metric: 'gpu', write: percent, levelsOf: ticks, isOptional: true }, { metric: 'gpuMemory', write: bytes, levelsOf: byteTicks, isOptional: true }];

/** @param {typeof PICTURES[0]} what */
function makePicture({ metric, write, levelsOf, isOptional }) {
  let series = null;
  let drawn = null;
  const names = () => [...USES, ...BOUNDS].filter((name) => series.items.some((point) => (point[name] ?? null) !== null));
  const legend = element('p', { className: 'legend' });
  const readout = element('p', { className: 'aside readout' });
  const say = (point) => {
    const far = BOUNDS.filter((name) => names().includes(name) && !ceiling(series.items).bounds.includes(name));
    readout.textContent = point
      ? [localTime(new Date(point.start)), ...names().map((name) => `${columnOf(name)} ${(point[name] ?? null) === null ? '–' : write(point[name])}`)].join(' · ')
      : far.length ? text('beyond', far.map((name) => `${columnOf(name)} ${write(Math.max(...series.items.map((item) => item[name] ?? 0)))}`).join(', ')) : '';
  };
  const picture = figure((width) => {
    const highest = Math.max(0, ...series.items.map(({ maximum }) => maximum ?? 0));
    const desc = text('useDesc', localTime(new Date(series.from)), localTime(new Date(series.to)), write(highest));
    drawn = uses(series, { id: metric, width, title: text(metric), desc, levelsOf, textOf: write });
    drawn.made.addEventListener('pointermove', ({ clientX }) => say(drawn.point(clientX - drawn.made.getBoundingClientRect().left)));
    drawn.made.addEventListener('pointerleave', () => say(drawn.point(null)));
    return drawn.made;
  });
  const asTable = fold(text('asTable'), `${metric}-table`, () => {
    const heads = [[text('time')], ...names().map((name) => [columnOf(name), 'number'])];
    return table(text(metric), heads, [...series.items].reverse().map((point) => row({}, heads, [
      localTime(new Date(point.start)), ...names().map((name) => ((point[name] ?? null) === null ? '–' : write(point[name])))]))).made;
  });
  const made = element('section', { hidden: true }, element('h3', {}, text(metric)), legend, picture.made, readout, asTable.made);

  function show({ items, ...range }) {
    series = { ...range, items: items.map(({ start, [metric]: use }) => ({ start, ...use })) };
    const has = (name) => series.items.some((point) => (point[name] ?? null) !== null);
    made.hidden = !has('average') || (isOptional && !series.items.some(({ maximum }) => maximum > 0));
    if (made.hidden) return;
    legend.replaceChildren(...names().filter((name) => USES.includes(name) || ceiling(series.items).bounds.includes(name)).map((name) => element('span', { className: name }, columnOf(name))));
    say(null);
    picture.draw();
    asTable.draw();
  }
  return { made, show };
}

function adviceOf({ container, cpu, memory, oomKills, observedSeconds, confident, reasons }) {
  const heads = [[''], ...['request', 'limit'].flatMap((name) => [[`${columnOf(name)}, ${text('now')}`, 'number'], [`${columnOf(name)}, ${text('recommended')}`, 'number']])];
  const amount = (value, write) => (value === null ? text('none_') : write(value));
  const changed = (now, wanted, write) => element(now === wanted ? 'span' : 'b', {}, wanted === null ? '–' : write(wanted));
  const rowOf = (label, use, write) => row({}, heads, [
    element('b', {}, label), amount(use.request, write), changed(use.request, use.recommendedRequest, write), amount(use.limit, write),
    use.recommendedLimit === null ? (use.recommendedRequest === null ? '–' : text('none_')) : changed(use.limit, use.recommendedLimit, write)]);
  return element('section', {},
    element('h4', {}, container, ' ', confident ? '' : element('span', { className: 'badge info' }, text('unsure')),
      aside(` ${[text('observed', lengthOf(observedSeconds)), oomKills ? `${text('oomKills')}: ${oomKills}` : ''].filter(Boolean).join(', ')}`)),
    table(`${text('recommendation')} ${container}`, heads, [rowOf(text('cpu'), cpu, cores), rowOf(text('memory'), memory, bytes)]).made,
    element('ul', { ariaLabel: text('reasoning') }, ...reasons.map((reason) => element('li', { lang: 'en' }, reason))));
}

/** @param {{fail: (error: Error) => void}} page */
export function makeResource(namespace, workload, page) {
  let loaded = { asked: '', at: 0 };
  const range = makeRange(() => load().catch(page.fail));
  const pictures = PICTURES.map((what) => ({ what, ...makePicture(what) }));
  const advice = element('section');
  const pods = element('section');
  const nothing = element('p', { className: 'aside', hidden: true }, text('noRows'));
  place('main').replaceChildren(
    element('p', {}, element('a', { href: `/resources?${new URLSearchParams({ namespace })}` }, `← ${text('allResources')}`)),
    element('h2', {}, ...breakable(`${namespace}/${workload}`)), range.made, nothing,
    element('div', { className: 'pair' }, ...pictures.map(({ made }) => made)), advice, pods);
  document.title = `${namespace}/${workload} · ${text('resources')} · Nightjar`;

  async function load() {
    const from = range.value();
    if (from === loaded.asked && Date.now() - loaded.at < AGAIN_MS) return;
    loaded = { asked: from, at: Date.now() };
    const of = (path, more) => get(`/api/v1/resources${path}?${new URLSearchParams({ namespace, workload, from, ...more })}`);
    try {
      const [series, rows, recommended] = await Promise.all([
        of('/series'), of('', { by: 'container', sort: 'memory.maximum', limit: PODS }),
        of('/recommendations', { from: LONGER.has(from) ? from : ADVICE_FROM })]);
      if (loaded.asked !== from) return; // another range was asked for meanwhile
      nothing.hidden = series.items.length > 0;
      for (const { show } of pictures) show(series);
      refillFolds(advice, element('h3', {}, text('recommendation')),
        ...(recommended.items.length ? recommended.items.map(adviceOf) : [element('p', { className: 'aside' }, text('noRecommendation'))]));
      refill(pods, ...(rows.total ? [element('h3', {}, `${text('containers')} (${rows.items.length < rows.total ? `${rows.items.length} / ` : ''}${rows.total})`), resourceTable(text('containers'), rows.items)] : []));
    } catch (error) {
      if (loaded.asked === from) loaded.at = 0;
      throw error;
    }
  }
  return { load, change: () => {}, look: load };
}
