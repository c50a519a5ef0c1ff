// How checks did over a range of time: the picture of their latency, and what failed.

import { bars, LINES, msText, sumErrors, trend } from './chart.js';
import { breakable, element, figure, fold, makeRange, refillFolds, row, table } from './elements.js';
import { get } from './rest.js';
import { checkCauseOf, localTime, text } from './words.js';

const AGAIN_MS = 55_000; // minutes are told once a minute
const BARS = 8; // of the most frequent errors; the table has all

const share = (part, whole) => `${Number((whole ? (part / whole) * 100 : 0).toPrecision(2))} %`;
const ms = (value) => (value === null ? '' : msText(value));

function makeLatency() {
  let series = null;
  let drawn = null;
  const readout = element('p', { className: 'aside readout' });
  const total = () => series.items.reduce((sum, { runs, failures }) => ({ runs: sum.runs + runs, failures: sum.failures + failures }), { runs: 0, failures: 0 });
  const say = (point) => {
    const { runs, failures } = point ?? total();
    const latencies = point ? LINES.map((name) => `${name} ${ms(point[name]) || '–'}`) : [];
    readout.textContent = [point ? localTime(new Date(point.start)) : '', ...latencies, text('ran', runs, failures, share(failures, runs))].filter(Boolean).join(' · ');
  };
  const picture = figure((width) => {
    const highest = Math.max(0, ...series.items.map(({ p99 }) => p99 ?? 0));
    const { runs, failures } = total();
    const desc = text('latencyDesc', localTime(new Date(series.from)), localTime(new Date(series.to)), msText(highest), runs, failures);
    drawn = trend(series, { id: 'latency', width, title: text('latency'), desc, failures: text('failuresShort') });
    drawn.made.addEventListener('pointermove', ({ clientX }) => say(drawn.point(clientX - drawn.made.getBoundingClientRect().left)));
    drawn.made.addEventListener('pointerleave', () => say(drawn.point(null)));
    return drawn.made;
  });
  const asTable = fold(text('asTable'), 'latency-table', () => {
    const heads = [[text('time')], [text('runs'), 'number'], [text('failures'), 'number'], ...['p50', 'p90', 'p99', 'max'].map((name) => [name, 'number'])];
    return table(text('latency'), heads, [...series.items].reverse().map((point) => row({}, heads, [
      localTime(new Date(point.start)), String(point.runs), String(point.failures), ms(point.p50), ms(point.p90), ms(point.p99), ms(point.max)]))).made;
  });
  const legend = element('p', { className: 'legend' }, ...LINES.map((name) => element('span', { className: name }, name)), element('span', { className: 'failed' }, text('failures')));
  const nothing = element('p', { className: 'aside' }, text('noRuns'));
  const shown = element('div', {}, legend, picture.made, readout, asTable.made);

  function show(answer) {
    series = answer;
    shown.hidden = series.items.length === 0;
    nothing.hidden = !shown.hidden;
    if (shown.hidden) return;
    say(null);
    picture.draw();
    asTable.draw();
  }
  shown.hidden = true;
  nothing.hidden = true;
  return { made: element('div', {}, shown, nothing), show };
}

function makeErrors() {
  let errors = [];
  const placeOf = ({ namespace, service, monitor }) => monitor || [namespace, service].filter(Boolean).join('/');
  const picture = figure((width) => {
    const most = [...errors].sort((a, b) => b.count - a.count).slice(0, BARS);
    const rows = most.map((error) => ({ label: [placeOf(error), error.status, checkCauseOf(error.cause)].filter(Boolean).join(' · '), value: error.count, note: `${error.count} (${share(error.count, error.runs)})` }));
    return bars(rows, { id: 'errors', width, title: text('errors'), desc: rows.map(({ label, note }) => `${label}: ${note}`).join('; ') });
  });
  const asTable = element('div');

  function renderTable() {
    const hasPlace = errors.some(placeOf);
    const heads = [...(hasPlace ? [[text('service'), 'wide']] : []), [text('cause')], [text('code'), 'number'], [text('times'), 'number'], [text('share'), 'number']];
    const made = table(text('errors'), heads, errors.map((error) => row({}, heads, [
      ...(hasPlace ? [element('a', { href: error.service ? serviceLink(error) : monitorLink(error.monitor), data: { key: `error-${placeOf(error)}-${error.cause}-${error.status}` } }, ...breakable(placeOf(error)))] : []),
      checkCauseOf(error.cause), error.status ? String(error.status) : '', String(error.count), share(error.count, error.runs)]))).made;
    refillFolds(asTable, errors.length <= BARS ? made
      : element('details', { data: { fold: 'errors' } }, element('summary', { data: { key: 'errors-table' } }, `${text('asTable')} (${errors.length})`), made));
  }

  const nothing = element('p', { className: 'aside' }, text('noErrors'));
  const shown = element('div', { className: 'pair' }, picture.made, asTable);
  shown.hidden = true;
  nothing.hidden = true;
  function show(items) {
    errors = items;
    shown.hidden = errors.length === 0;
    nothing.hidden = !shown.hidden;
    if (shown.hidden) return;
    picture.draw();
    renderTable();
  }
  return { made: element('div', {}, shown, nothing), show };
}

export const monitorLink = (id) => `/monitors/${encodeURIComponent(id)}`;

/** Where everything about a Service's checks is. */
export const serviceLink = ({ namespace, service }) => `/monitors?${new URLSearchParams({ namespace, service })}`;

/**
 * @param {{fail: (error: Error) => void}} page
 * @param {{series: () => object | null, errors?: () => object}} ask the parameters of /api/v1/series, null for none, and of
 *   /api/v1/errors; without the latter the errors are those of the series
 */
export function makeTrend(page, { series, errors }) {
  let loaded = { asked: '', at: 0 };
  const latency = makeLatency();
  const failed = makeErrors();
  const ofLatency = element('div', { hidden: true }, element('h3', {}, text('latency')), latency.made);
  const range = makeRange(() => load().catch(page.fail));
  const made = element('section', {},
    range.made,
    ofLatency, element('h3', {}, text('errors')), failed.made);

  /** What is asked for may have changed, or a minute has passed. @param {string} [name] of what the pictures are of */
  async function load(name) {
    if (name !== undefined) range.title.textContent = name;
    const query = (path, values) => `${path}?${new URLSearchParams({ ...values, from: range.value() })}`;
    const paths = [series() && query('/api/v1/series', series()), errors && query('/api/v1/errors', errors())];
    const asked = JSON.stringify(paths);
    if (asked === loaded.asked && Date.now() - loaded.at < AGAIN_MS) return;
    loaded = { asked, at: Date.now() };
    try {
      const [points, summary] = await Promise.all(paths.map((path) => path && get(path)));
      if (loaded.asked !== asked) return; // something else was asked for meanwhile
      ofLatency.hidden = !points;
      if (points) latency.show(points);
      const runs = (points?.items ?? []).reduce((sum, point) => sum + point.runs, 0);
      failed.show(summary ? summary.items : sumErrors(points.items).map((error) => ({ ...error, runs })));
    } catch (error) {
      if (loaded.asked === asked) loaded.at = 0;
      throw error;
    }
  }
  return { made, load };
}
