/** Prometheus' text format. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const TOOLS = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..', 'build', 'tools', 'usr', 'bin');

/** The linter would have named these otherwise, but node_exporter's dashboards and rules look for them. */
const NODE_EXPORTERS = /^node_(memory|netstat)_\w+ metric names should be written in 'snake_case' not 'camelCase'$/;
const LINTED = 3;

/** What promtool, installed or fetched by run.sh, says of a metrics page. */
export function promtool(text) {
  const fetched = path.join(TOOLS, 'promtool');
  const command = fs.existsSync(fetched) ? fetched : 'promtool';
  const { status, stdout, stderr } = spawnSync(command, ['check', 'metrics'], { input: text, encoding: 'utf8' });
  const complaints = `${stdout}${stderr}`.split('\n').filter((line) => line !== '' && !NODE_EXPORTERS.test(line));
  return { status: status === LINTED && complaints.length === 0 ? 0 : status, stdout, stderr };
}

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
