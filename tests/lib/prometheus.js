/** Prometheus' text format, and Prometheus itself. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Program } from './process.js';

const TOOLS = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..', 'build', 'tools', 'usr', 'bin');

/** Installed, or fetched by run.sh. */
function tool(name) {
  const fetched = path.join(TOOLS, name);
  return fs.existsSync(fetched) ? fetched : name;
}

/**
 * A Prometheus that scrapes nothing and takes remote write at /api/v1/write from one user.
 * @param {{folder: string, port: number, user: string, hash: string}} options its own folder; bcrypt's hash of the password
 * @returns {Program} not started
 */
export function receiver({ folder, port, user, hash }) {
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(path.join(folder, 'prometheus.yml'), 'scrape_configs: []\n');
  fs.writeFileSync(path.join(folder, 'web.yml'), `basic_auth_users:\n  ${user}: ${hash}\n`);
  return new Program({
    name: 'prometheus',
    command: tool('prometheus'),
    args: [
      `--config.file=${path.join(folder, 'prometheus.yml')}`, `--web.config.file=${path.join(folder, 'web.yml')}`,
      `--storage.tsdb.path=${path.join(folder, 'data')}`, `--web.listen-address=127.0.0.1:${port}`, '--web.enable-remote-write-receiver',
    ],
    log: path.join(folder, 'prometheus.log'),
  });
}

/**
 * An Alertmanager that tells nobody, and talks to one user alone.
 * @param {{folder: string, port: number, user: string, hash: string}} options its own folder; bcrypt's hash of the password
 * @returns {Program} not started
 */
export function alertmanager({ folder, port, user, hash }) {
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(path.join(folder, 'alertmanager.yml'), 'route:\n  receiver: nobody\nreceivers:\n  - name: nobody\n');
  fs.writeFileSync(path.join(folder, 'web.yml'), `basic_auth_users:\n  ${user}: ${hash}\n`);
  return new Program({
    name: 'alertmanager',
    command: tool('prometheus-alertmanager'),
    args: [
      `--config.file=${path.join(folder, 'alertmanager.yml')}`, `--web.config.file=${path.join(folder, 'web.yml')}`,
      `--storage.path=${path.join(folder, 'data')}`, `--web.listen-address=127.0.0.1:${port}`, '--cluster.listen-address=',
    ],
    log: path.join(folder, 'alertmanager.log'),
  });
}

/** The linter would have named these otherwise, but node_exporter's dashboards and rules look for them. */
const NODE_EXPORTERS = /^node_(memory|netstat)_\w+ metric names should be written in 'snake_case' not 'camelCase'$/;
const LINTED = 3;

/** What promtool says of a metrics page. */
export function promtool(text) {
  const { status, stdout, stderr } = spawnSync(tool('promtool'), ['check', 'metrics'], { input: text, encoding: 'utf8' });
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
