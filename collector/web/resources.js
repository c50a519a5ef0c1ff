// The table of what was used beside what was asked for.

import { aside, breakable, element, given, makeFilter, makeRange, offer, offerFile, place, refill, remember, row, sideways, table } from './elements.js';
import { get, getText } from './rest.js';
import { bytes, columnOf, cores, localTime, percent, text } from './words.js';

const PAGE = 200; // rows that are asked for at first; twice as many the next time
const SHOWN = 1000; // at most: a browser is slow with more, and nobody reads them
const MOST = 20_000; // that REST gives, for a file
const SORT = 'cpu.average';
const THROTTLED = 0.1; // of the CPU periods: worth a look
const NEAR = 0.9; // of the limit
const NOTHING = '–';

const known = (values) => Object.fromEntries(Object.entries(values).filter(([, value]) => value));
const or = (value, write) => (value === null ? NOTHING : write(value));
const marked = (words, isBad) => (isBad ? element('span', { className: 'warning' }, words) : words);

/** How a metric's columns are written; which of them need a look. */
const useColumns = (metric, write, { maximum = () => false }) => [
  ...['average', 'p95'].map((name) => ({ metric, name, cell: ({ [metric]: use }) => or(use[name], write) })),
  { metric, name: 'maximum', cell: ({ [metric]: use }) => marked(or(use.maximum, write), maximum(use)) },
  ...['request', 'limit'].map((name) => ({ metric, name, cell: ({ [metric]: use }) => or(use[name], write) })),
  { metric, name: 'useOfRequest', cell: ({ [metric]: use }) => marked(or(use.useOfRequest, percent), use.useOfRequest > 1) },
  { metric, name: 'waste', cell: ({ [metric]: use }) => or(use.waste, write) }];

const COLUMNS = [
  ...useColumns('cpu', cores, {}), ...useColumns('memory', bytes, { maximum: ({ useOfLimit }) => useOfLimit >= NEAR }),
  { metric: 'throttled', name: 'average', cell: ({ throttled }) => marked(or(throttled.average, percent), throttled.average >= THROTTLED) },
  { metric: '', name: 'oomKills', cell: ({ oomKills }) => marked(String(oomKills), oomKills > 0) }];
const OF_GPU = [
  ...['average', 'maximum'].map((name) => ({ metric: 'gpu', name, cell: ({ gpu }) => or(gpu[name], percent) })),
  { metric: 'gpuMemory', name: 'maximum', cell: ({ gpuMemory }) => or(gpuMemory.maximum, bytes) }];

const keyOf = ({ metric, name }) => [metric, name].filter(Boolean).join('.');
const labelOf = ({ metric, name }) => [metric && text(metric), columnOf(name)].filter(Boolean).join(' ');
const hasGpu = ({ gpu, gpuMemory }) => gpu.maximum !== null || gpuMemory.maximum !== null;

export const workloadLink = ({ namespace, workload }, query = {}) => {
  const asked = new URLSearchParams(known(query));
  return `/resources/${encodeURIComponent(namespace)}/${encodeURIComponent(workload)}${asked.size ? `?${asked}` : ''}`;
};
export const nodeLink = (name) => `/nodes/${encodeURIComponent(name)}`;
const placeOf = ({ namespace, workload, pod, container, node }) => [namespace, pod || workload, container].filter(Boolean).join('/') || node;

/** The table itself, of any rows. @param {{sort: string, order: string, onSort: (key: string) => void} | null} sorting */
export function resourceTable(caption, rows, { range = '', sorting = null } = {}) {
  const columns = [...COLUMNS, ...(rows.some(hasGpu) ? OF_GPU : [])];
  const isFirst = (i) => i === 0 || columns[i].metric !== columns[i - 1].metric;
  const sorter = (key, label, shown) => (sorting
    ? element('button', { type: 'button', ariaLabel: text('sortBy', label), data: { key: `sort-${key}`, label }, onclick: () => sorting.onSort(key) }, shown) : shown);
  const heads = [
    [text('name'), 'wide where', sorter('name', text('name'), text('name'))],
    ...columns.map((column, i) => [labelOf(column), `number${isFirst(i) ? ' first' : ''}`, sorter(keyOf(column), labelOf(column), columnOf(column.name))])];
  const groups = [['', 1]];
  for (const { metric } of columns) {
    const label = metric ? text(metric) : '';
    if (groups.at(-1)[0] === label && groups.length > 1) groups.at(-1)[1] += 1;
    else groups.push([label, 1]);
  }
  const linked = (resource) => {
    const name = breakable(placeOf(resource));
    const { namespace, workload, node } = resource;
    const href = node && !namespace ? nodeLink(node) : workload ? workloadLink(resource, { range }) : `/resources?${new URLSearchParams(known({ by: 'workload', namespace, range }))}`;
    return [element('a', { href, data: { key: `row-${placeOf(resource)}` } }, ...name), resource.workloadKind && !resource.pod ? aside(` ${resource.workloadKind}`) : ''];
  };
  const { made } = table(caption, heads, rows.map((resource) => row({}, heads, [linked(resource), ...columns.map(({ cell }) => cell(resource))])), groups);
  if (sorting) {
    made.className = 'sorted';
    ['name', ...columns.map(keyOf)].forEach((key, i) => {
      if (key === sorting.sort) made.tHead.lastChild.children[i].ariaSort = sorting.order === 'asc' ? 'ascending' : 'descending';
    });
  }
  return sideways(caption, made);
}

/** @param {{fail: (error: Error) => void, refresh: () => Promise<void>}} page */
export function makeResources(page) {
  let limit = PAGE;
  let sort = given().get('sort') ?? SORT;
  let order = given().get('order') ?? '';
  const again = () => page.refresh();
  const { wanted, isUsual } = makeFilter(
    [{ name: 'by', choices: ['workload', 'pod', 'container', 'namespace', 'node'] }, { name: 'namespace', list: true }], () => { limit = PAGE; again(); });
  const range = makeRange(again);
  const summary = element('p', { role: 'status', className: 'aside' });
  const list = element('div');
  const more = element('button', { type: 'button', hidden: true, onclick: () => { limit = Math.min(SHOWN, limit * 2); again(); } }, text('more'));
  const csv = element('button', { type: 'button', onclick: () => save().catch(page.fail) }, text('csv'));
  range.made.append(csv);
  place('main').replaceChildren(range.made, summary, list, more);
  document.title = `${text('resources')} · Nightjar`;

  const orderOf = () => order || (sort === 'name' ? 'asc' : 'desc');
  const query = (rest) => new URLSearchParams(known({ ...wanted(), from: range.value(), sort, order, ...rest }));

  function onSort(key) {
    order = key === sort && orderOf() === (key === 'name' ? 'asc' : 'desc') ? (key === 'name' ? 'desc' : 'asc') : '';
    sort = key;
    remember('sort', sort === SORT ? '' : sort);
    remember('order', order);
    again();
  }

  async function save() {
    offerFile(await getText(`/api/v1/resources?${query({ limit: MOST, format: 'csv' })}`), 'text/csv', `resources_${wanted().by}_${range.value()}.csv`);
  }

  async function load() {
    const asked = String(query({ limit }));
    const { from, to, total, items } = await get(`/api/v1/resources?${asked}`);
    if (asked !== String(query({ limit }))) return; // something else was asked for meanwhile, which asks itself
    summary.textContent = total ? text('countRows', items.length, total, localTime(new Date(from)), localTime(new Date(to))) : text(isUsual() ? 'noRows' : 'noRowFits');
    refill(list, ...(total ? [resourceTable(text('allResources'), items, { range: range.value() === '1h' ? '' : range.value(), sorting: { sort, order: orderOf(), onSort } })] : []));
    more.hidden = items.length >= total || limit >= SHOWN;
    csv.disabled = total === 0;
    if (!wanted().namespace) offer('namespace', items.map(({ namespace }) => namespace));
  }
  return { load, change: () => {}, look: load };
}
