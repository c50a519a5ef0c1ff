// Pictures: of how checks did, latencies over time with a strip of failures and bars of errors; of what was used over time;
// of what a service was when. Plain SVG, drawn for a width in pixels; colours are the style sheet's. What is said in them
// comes from the caller, in its language.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
export const STEP_MS = { minute: MINUTE, hour: HOUR, day: DAY };

// ---- pure: scales, ticks, paths

/** From a range of values to one of pixels. @param {[number, number]} domain @param {[number, number]} range */
export function scale([from, to], [first, last]) {
  const factor = to === from ? 0 : (last - first) / (to - from);
  return (value) => first + (value - from) * factor;
}

/** 1, 2 or 5 times a power of ten: the smallest that is not below `least`. */
export function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5].find((digit) => digit * power >= least * (1 - 1e-9)) ?? 10);
}

/** Round numbers from 0 to the first that is not below `max`, in about `count` steps. */
export function ticks(max, count) {
  if (!(max > 0)) return [0, 1];
  const step = niceStep(max / count);
  const steps = Math.max(1, Math.ceil(max / step - 1e-9));
  return Array.from({ length: steps + 1 }, (_, i) => Number((i * step).toPrecision(12)));
}

/** As ticks(), in round numbers of B, KiB, MiB and so on. */
export function byteTicks(max, count) {
  const unit = 1024 ** Math.max(0, Math.floor(Math.log2(max) / 10));
  return max > 0 ? ticks(max / unit, count).map((level) => level * unit) : [0, 1024];
}

const TIME_STEPS = [...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE), ...[1, 2, 3, 6, 12].map((n) => n * HOUR), ...[1, 2, 5, 10, 20].map((n) => n * DAY)];

/** Whole minutes, hours or days of local time within the range, `count` of them at most or so. @returns {number[]} ms */
export function timeTicks(from, to, count) {
  const step = TIME_STEPS.find((candidate) => (to - from) / candidate <= count) ?? TIME_STEPS.at(-1);
  const found = [];
  const day = new Date(from);
  for (day.setHours(0, 0, 0, 0); day.getTime() <= to; day.setDate(day.getDate() + Math.max(1, step / DAY))) {
    const midnight = day.getTime();
    const next = new Date(midnight).setDate(day.getDate() + 1); // not always 24 hours later
    const last = step >= DAY ? midnight : Math.min(next - 1, to);
    for (let at = midnight; at <= last; at += step) if (at >= from) found.push(at);
  }
  return found;
}

/** "09:30", or "11-21" for a midnight. */
export function timeText(ms) {
  const date = new Date(ms);
  const two = (number) => String(number).padStart(2, '0');
  const isMidnight = date.getHours() === 0 && date.getMinutes() === 0;
  return isMidnight ? `${two(date.getMonth() + 1)}-${two(date.getDate())}` : `${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** "0.42 ms", "17 ms", "1.3 s" */
export function msText(ms) {
  const [value, unit] = ms >= SECOND ? [ms / SECOND, 's'] : [ms, 'ms'];
  return `${Number(value.toPrecision(value >= 100 ? 3 : 2))} ${unit}`;
}

const DOT = 'm-2 0h4'; // px

/**
 * A path's data through points, broken where one has no value or where the next is more than `gap` later; a point that
 * stands alone becomes a dot.
 * @param {{at: number, value: number | null}[]} points in order
 */
export function linePath(points, x, y, gap) {
  const number = (value) => Number(value.toFixed(1));
  let path = '';
  let last = null;
  let isAlone = false;
  const end = () => { if (isAlone) path += DOT; };
  for (const { at, value } of points) {
    const follows = last !== null && value !== null && at - last <= gap;
    if (value !== null) {
      if (!follows) end();
      path += `${follows ? 'L' : 'M'}${number(x(at))} ${number(y(value))}`;
      isAlone = !follows;
      last = at;
    } else {
      end();
      isAlone = false;
      last = null;
    }
  }
  end();
  return path;
}

/** Errors of points, summed up by cause and status, the most frequent first. */
export function sumErrors(points) {
  const sums = new Map();
  for (const { errors } of points) {
    for (const { cause, status, count } of errors) {
      const key = `${status} ${cause}`;
      const sum = sums.get(key) ?? { cause, status, count: 0 };
      sum.count += count;
      sums.set(key, sum);
    }
  }
  return [...sums.values()].sort((a, b) => b.count - a.count || a.cause.localeCompare(b.cause) || a.status - b.status);
}

// ---- drawing

function draw(name, attributes, ...children) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function picture(id, width, height, { title, desc }, ...children) {
  return draw('svg', { width, height, viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-labelledby': `${id}-title ${id}-desc`, class: 'chart' },
    draw('title', { id: `${id}-title` }, title), draw('desc', { id: `${id}-desc` }, desc), ...children);
}

const TOP = 8;
const PLOT = 190;
const STRIP = 16; // of failures, under the plot
const GAP = 8;
const LEFT = 60;
const RIGHT = 10;
const HEIGHT = TOP + PLOT + GAP + STRIP + 22;
const TICK_WIDTH = 80; // a time's label, with the space around it
const FAILURE_MIN = 4; // px: one failure among thousands of runs is seen

export const LINES = ['p50', 'p90', 'p99'];

function axes({ width, height = HEIGHT, levels, textOf = msText, times, x, y }) {
  const right = width - RIGHT;
  const label = (attributes, words) => draw('text', { class: 'tick', ...attributes }, words);
  return [
    ...levels.flatMap((level) => [
      draw('line', { class: 'grid', x1: LEFT, x2: right, y1: y(level), y2: y(level) }),
      label({ x: LEFT - 6, y: y(level) + 4, 'text-anchor': 'end' }, textOf(level))]),
    ...times.flatMap((at) => [
      draw('line', { class: 'grid', x1: x(at), x2: x(at), y1: TOP, y2: height - 22 }),
      label({ x: x(at), y: height - 6, 'text-anchor': x(at) > right - 20 ? 'end' : 'middle' }, timeText(at))])];
}

/** Where it ran, and as a bar from below, how much of that failed. */
function strip(points, stepMs, x, [first, last]) {
  const bottom = TOP + PLOT + GAP + STRIP;
  return points.flatMap(({ at, runs, failures }) => {
    const left = Math.max(first, x(at));
    const width = Math.max(1, Math.min(last, x(at + stepMs)) - left);
    const height = failures ? Math.max(FAILURE_MIN, (STRIP * failures) / runs) : 0;
    return [
      draw('rect', { class: 'ran', x: left, width, y: bottom - STRIP, height: STRIP }),
      ...(failures ? [draw('rect', { class: 'failed', x: left, width: Math.max(2, width), y: bottom - height, height })] : [])];
  });
}

/**
 * Percentiles of the latency over time, and when checks failed.
 * @param {{from: string, to: string, step: string, items: object[]}} series as REST has it
 * @param {{id: string, width: number, title: string, desc: string, failures: string}} options
 * @returns {{made: SVGElement, point: (px: number) => object | null}} `point` the one at so many pixels from the left, marked
 */
export function trend({ from, to, step, items }, { id, width, ...words }) {
  const stepMs = STEP_MS[step];
  const points = items.map((item) => ({ ...item, at: Date.parse(item.start) }));
  const levels = ticks(Math.max(0, ...points.map(({ p99 }) => p99 ?? 0)), 4);
  const edges = [LEFT, width - RIGHT];
  const range = [Date.parse(from), Date.parse(to)];
  const x = scale(range, edges);
  const y = scale([0, levels.at(-1)], [TOP + PLOT, TOP]);
  const middle = (at) => Math.min(edges[1], x(at + stepMs / 2));
  const times = timeTicks(...range, Math.max(2, Math.floor((width - LEFT) / TICK_WIDTH)));
  const cursor = draw('line', { class: 'cursor', y1: TOP, y2: TOP + PLOT + GAP + STRIP, visibility: 'hidden' });
  const lines = LINES.map((name) => draw('path', {
    class: `line ${name}`, d: linePath(points.map((point) => ({ at: point.at, value: point[name] })), middle, y, stepMs * 1.5) }));
  const made = picture(id, width, HEIGHT, words,
    ...axes({ width, levels, times, x, y }), ...strip(points, stepMs, x, edges),
    draw('text', { class: 'tick', x: LEFT - 6, y: TOP + PLOT + GAP + STRIP - 3, 'text-anchor': 'end' }, words.failures), ...lines.reverse(), cursor);

  return { made, point: pointing(points, middle, cursor) };
}

/** Moves the cursor to the point that is nearest to so many pixels from the left, and gives it; null for none. */
const pointing = (points, middle, cursor) => (px) => {
  const nearest = px === null ? null : points.reduce((best, candidate) => (
    !best || Math.abs(middle(candidate.at) - px) < Math.abs(middle(best.at) - px) ? candidate : best), null);
  cursor.setAttribute('visibility', nearest ? 'visible' : 'hidden');
  for (const end of ['x1', 'x2']) cursor.setAttribute(end, nearest ? middle(nearest.at) : 0);
  return nearest;
};

export const USES = ['average', 'p95', 'maximum'];
export const BOUNDS = ['request', 'limit'];
const FAR = 4; // times the highest use: a bound that is higher stays out of the picture, or no use would be seen in it

/** How high the picture of a use reaches, and which bounds lie within it. */
export function ceiling(points) {
  const highest = (names) => Math.max(0, ...points.flatMap((point) => names.map((name) => point[name] ?? 0)));
  const used = highest(USES);
  const bounds = BOUNDS.filter((name) => highest([name]) > 0 && (used === 0 || highest([name]) <= used * FAR));
  return { highest: highest([...USES, ...bounds]), bounds };
}

const PLAIN_HEIGHT = TOP + PLOT + 22;

/**
 * What was used over time, beside what was asked for.
 * @param {{from: string, to: string, step: string, items: object[]}} series its items with start, USES and BOUNDS
 * @param {{id: string, width: number, title: string, desc: string, levelsOf: typeof ticks, textOf: (value: number) => string}} options
 * @returns {ReturnType<typeof trend>}
 */
export function uses({ from, to, step, items }, { id, width, levelsOf, textOf, ...words }) {
  const stepMs = STEP_MS[step];
  const points = items.map((item) => ({ ...item, at: Date.parse(item.start) }));
  const { highest, bounds } = ceiling(points);
  const levels = levelsOf(highest, 4);
  const range = [Date.parse(from), Date.parse(to)];
  const edges = [LEFT, width - RIGHT];
  const x = scale(range, edges);
  const y = scale([0, levels.at(-1)], [TOP + PLOT, TOP]);
  const middle = (at) => Math.min(edges[1], x(at + stepMs / 2));
  const times = timeTicks(...range, Math.max(2, Math.floor((width - LEFT) / TICK_WIDTH)));
  const cursor = draw('line', { class: 'cursor', y1: TOP, y2: TOP + PLOT, visibility: 'hidden' });
  const lines = [...bounds, ...[...USES].reverse()].map((name) => draw('path', {
    class: `line ${name}`, d: linePath(points.map((point) => ({ at: point.at, value: point[name] ?? null })), middle, y, stepMs * 1.5) }));
  const made = picture(id, width, PLAIN_HEIGHT, words, ...axes({ width, height: PLAIN_HEIGHT, levels, textOf, times, x, y }), ...lines, cursor);
  return { made, point: pointing(points, middle, cursor) };
}

const LINE = 44; // of a timeline
const HEIGHT_OF = { up: 0.35, planned: 0.6, unknown: 0.1 }; // of the line, so that colour is not all that tells them apart; others fill it
const PART_MIN = 2; // px: an outage of a second within a month is seen

/**
 * What something was when, from left to right; what is worse comes later in `parts`, and is drawn over the rest.
 * @param {{from: string, to: string}} range
 * @param {{from: number, to: number, level: string, title: string}[]} parts level: up, unknown, planned, degraded, down
 * @param {{id: string, width: number, title: string, desc: string}} options
 */
export function timeline({ from, to }, parts, { id, width, ...words }) {
  const range = [Date.parse(from), Date.parse(to)];
  const edges = [RIGHT, width - RIGHT];
  const x = scale(range, edges);
  const height = TOP + LINE + 22;
  const times = timeTicks(...range, Math.max(2, Math.floor(width / TICK_WIDTH)));
  const within = (at) => Math.min(Math.max(at, range[0]), range[1]);
  return picture(id, width, height, words,
    ...times.flatMap((at) => [
      draw('line', { class: 'grid', x1: x(at), x2: x(at), y1: TOP, y2: TOP + LINE + 4 }),
      draw('text', { class: 'tick', x: x(at), y: height - 4, 'text-anchor': x(at) > edges[1] - 20 ? 'end' : x(at) < 20 ? 'start' : 'middle' }, timeText(at))]),
    ...parts.map((part) => {
      const left = x(within(part.from));
      const tall = LINE * (HEIGHT_OF[part.level] ?? 1);
      return draw('rect', {
        class: `part ${part.level}`, x: Math.min(left, edges[1] - PART_MIN), width: Math.max(PART_MIN, x(within(part.to)) - left), y: TOP + (LINE - tall) / 2, height: tall,
      }, draw('title', {}, part.title));
    }));
}

const BAR_ROW = 36;
const CHARACTER = 7; // px of a letter, about; a Chinese one takes two

const widthOf = (words) => [...words].reduce((sum, letter) => sum + (letter > '\u2e80' ? 2 : 1) * CHARACTER, 0);

/** Without its end when there is no room. */
export function fitted(words, width) {
  if (widthOf(words) <= width) return words;
  const letters = [...words];
  while (letters.length > 1 && widthOf(letters.join('')) + CHARACTER > width) letters.pop();
  return `${letters.join('')}…`;
}

/** Horizontal bars, each under its label. @param {{label: string, value: number, note: string}[]} rows */
export function bars(rows, { id, width, ...words }) {
  const x = scale([0, Math.max(1, ...rows.map(({ value }) => value))], [0, width]);
  return picture(id, width, rows.length * BAR_ROW, words, ...rows.flatMap(({ label, value, note }, i) => [
    draw('text', { class: 'label', x: 0, y: i * BAR_ROW + 15 }, fitted(label, width - widthOf(note) - CHARACTER)),
    draw('text', { class: 'label', x: width, y: i * BAR_ROW + 15, 'text-anchor': 'end' }, note),
    draw('rect', { class: 'ran', x: 0, width, y: i * BAR_ROW + 20, height: 8, rx: 2 }),
    draw('rect', { class: 'failed', x: 0, width: Math.max(2, x(value)), y: i * BAR_ROW + 20, height: 8, rx: 2 })]));
}
