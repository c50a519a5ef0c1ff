/** The programs that benchmarks run against each other: the real agent and collector, and the stand-ins around them. */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { binary, ROOT } from './build.js';
import { freePort, Program, until } from './process.js';

const NODE = process.execPath;
export const NODE_NAME = 'node1';

/** @returns {Promise<{status: number, text: string}>} status 0 when nobody answers */
export function ask(url, { method = 'GET', body } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece) => {
        text += piece;
      });
      response.on('end', () => resolve({ status: response.statusCode, text }));
      response.on('error', reject);
    });
    request.on('error', (error) => (error.code === 'ECONNREFUSED' ? resolve({ status: 0, text: '' }) : reject(error)));
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** As ask(), for the simulators' control API: anything but 200 is an error. @returns {Promise<any>} */
export async function control(url, options) {
  const { status, text } = await ask(url, options);
  if (status !== 200) throw new Error(`${url}: ${status} ${text}`);
  return JSON.parse(text);
}

/** A sum over all labels of a metric that /metrics shows. @returns {number | undefined} undefined when it is not there */
export function metric(text, name) {
  let sum;
  for (const line of text.split('\n')) {
    if (!line.startsWith(name) || !['{', ' '].includes(line[name.length])) continue;
    sum = (sum ?? 0) + Number(line.slice(line.lastIndexOf(' ') + 1));
  }
  return sum;
}

/** What one benchmark runs; everything ends with stop(), in the opposite order. */
export class Services {
  #programs = [];

  /** @param {string} folder  for databases, logs, secrets */
  constructor(folder) {
    this.folder = folder;
    this.keyFile = this.file('key', `${randomBytes(32).toString('hex')}\n`);
  }

  path(name) {
    return path.join(this.folder, name);
  }

  /** A file with this content. @returns {string} its path */
  file(name, content) {
    fs.writeFileSync(this.path(name), content, { mode: 0o600 });
    return this.path(name);
  }

  #start(name, command) {
    const program = new Program({ command, log: this.path(`${name}.log`) });
    this.#programs.push(program);
    return program;
  }

  async #startSimulator(name, args) {
    const program = this.#start(name, [NODE, path.join(ROOT, 'tests', name, 'main.js'), ...args]);
    return { program, ...(await program.ready()) };
  }

  /** @param {string[]} args */
  startKubesim(args) {
    return this.#startSimulator('kubesim', ['--state-dir', this.path('kubesim'), ...args]);
  }

  /** @param {string[]} args */
  startWecomsim(args) {
    return this.#startSimulator('wecomsim', args);
  }

  /**
   * The collector, ready.
   * @param {{config?: string, kubeconfig?: string, database?: string}} [options] more YAML; the cluster it asks, none without
   */
  async startCollector({ config = '', kubeconfig, database = 'collector.db' } = {}) {
    const [ingestPort, apiPort] = [await freePort(), await freePort()];
    const file = this.file(
      'collector.yaml',
      `kubernetes: {${kubeconfig === undefined ? 'enabled: false' : `kubeconfig: ${kubeconfig}`}}
ingest: {listen: "tcp://127.0.0.1:${ingestPort}", key_file: ${this.keyFile}}
store: {path: ${this.path(database)}}
api: {listen: "127.0.0.1:${apiPort}"}
log: {level: warn, format: text}
${config}`,
    );
    const program = this.#start('collector', [binary('collector/nightjar-collector'), '--config', file]);
    const url = `http://127.0.0.1:${apiPort}`;
    await until(async () => {
      program.check();
      return (await ask(`${url}/readyz`)).status === 200;
    }, 'the collector getting ready');
    return { program, url, ingestPort };
  }

  /** The agent, started but perhaps not synced yet. */
  async startAgent({ kubeconfig, collectorPort, podLogs = this.path('podlogs') }) {
    const httpPort = await freePort();
    const port = collectorPort ?? (await freePort());
    fs.mkdirSync(podLogs, { recursive: true });
    const program = this.#start('agent', [
      binary('agent/nightjar-agent'),
      `--node=${NODE_NAME}`,
      `--kubernetes.kubeconfig=${kubeconfig}`,
      `--collector.url=tcp://127.0.0.1:${port}`,
      `--collector.key_file=${this.keyFile}`,
      `--outbox.path=${this.path('outbox.db')}`,
      `--crash.log_dir=${podLogs}`,
      `--http.listen=127.0.0.1:${httpPort}`,
      '--log.level=warn',
      '--log.format=text',
    ]);
    return { program, url: `http://127.0.0.1:${httpPort}` };
  }

  async stop() {
    for (const program of this.#programs.reverse()) await program.stop();
    this.#programs = [];
  }
}

/** Runs `body(services)` and stops everything afterwards. */
export async function withServices(folder, body) {
  const services = new Services(folder);
  try {
    return await body(services);
  } finally {
    await services.stop();
  }
}
