/** Prometheus' text format. */

/** @returns {Map<string, number>} by "name{labels}" as written */
export function parseMetrics(text) {
  const samples = new Map();
  for (const line of text.split('\n')) {
    const match = /^([a-zA-Z_:][\w:]*(?:\{.*\})?) (\S+)/.exec(line);
    if (match) samples.set(match[1], Number(match[2].replace('Inf', 'Infinity')));
  }
  return samples;
}

/** The sum over all label sets; undefined when there is no such metric. */
export function metricSum(samples, name, label = '') {
  let sum;
  for (const [key, value] of samples) {
    if ((key === name || key.startsWith(`${name}{`)) && key.includes(label)) sum = (sum ?? 0) + value;
  }
  return sum;
}
