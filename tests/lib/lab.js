/**
 * Nightjar's real programs among the stand-ins: kubesim for the cluster, wecomsim for WeCom, an agent for each node, a
 * collector; all in one folder, on free loopback ports. Tests and the demo are built on it.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from './ports.js';
import { Program } from './process.js';
import { metricSum, parseMetrics } from './prometheus.js';
import { until } from './wait.js';
import { merge, toYaml } from './yaml.js';

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
export const RECORDING = path.join(ROOT, 'tests', 'recordings');

/** Where the programs were built; NIGHTJAR_BUILD names another folder. */
export const BUILD = path.resolve(process.env.NIGHTJAR_BUILD ?? path.join(ROOT, 'build', 'test'));
export const binary = (name, build = BUILD) => path.join(build, name.replace('nightjar-', ''), name);

const SANITIZERS = {
  ASAN_OPTIONS: 'detect_leaks=1:abort_on_error=0:exitcode=99:detect_stack_use_after_return=1',
  UBSAN_OPTIONS: 'print_stacktrace=1',
};
const SANITIZER_REPORT = /(?:ERROR|WARNING): \w+Sanitizer|runtime error:/;

/** The key of the robot that there is unless others are asked for. */
export const ROBOT = 'robot-1';

/** In one request it is waited so long for the cluster. */
const WAIT_STEP_S = 60;

/** @returns {Promise<{status: number, headers: Headers, text: string, json: any}>} */
export async function ask(url, { method = 'GET', body, token, headers = {} } = {}) {
  const response = await fetch(url, {
    method,
    body: body === undefined ? undefined : JSON.stringify(body),
    headers: { connection: 'close', ...(token && { authorization: `Bearer ${token}` }), ...headers },
    signal: AbortSignal.timeout(120_000),
  }).catch((error) => {
    throw new Error(`${method} ${url}: ${error.message}${error.cause ? ` (${error.cause.message})` : ''}`, { cause: error });
  });
  const text = await response.text();
  const isJson = /json/.test(response.headers.get('content-type') ?? '');
  return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined };
}

/** A stand-in's control API: its JSON, or its refusal as an exception. */
async function command(url, options) {
  const { status, json } = await ask(url, options);
  if (status !== 200) throw new Error(`${url}: ${json?.error ?? status}`);
  return json;
}

const readRecorded = (...where) => (fs.existsSync(path.join(...where)) ? fs.readFileSync(path.join(...where), 'utf8') : '');

/** What a recorded watch tells, without bookmarks. @returns {{at: string, type: string, object: object}[]} */
export function recordedEvents(recording, kind) {
  return readRecorded(recording, kind, 'watch.ndjson')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
    .map(({ at, event }) => ({ at, ...event }))
    .filter(({ type }) => type !== 'BOOKMARK');
}

/** Every object of a kind that a recording tells of, as often as it does. @returns {object[]} */
function objectsOf(recording, kind) {
  const listed = JSON.parse(readRecorded(recording, kind, 'list.json') || '{}').items ?? [];
  return [...listed, ...recordedEvents(recording, kind).map(({ object }) => object)];
}

/** Every node that a recording tells of: of each an agent runs. @returns {string[]} */
export function nodesOf(recording) {
  const names = [
    ...objectsOf(recording, 'nodes').map(({ metadata }) => metadata?.name),
    ...objectsOf(recording, 'pods').map(({ spec }) => spec?.nodeName),
  ];
  return [...new Set(names.filter(Boolean))].sort();
}

/** What a recording has of a kind, also what is deleted in it. @returns {{namespace: string, name: string}[]} */
export function namesOf(recording, kind) {
  const names = objectsOf(recording, kind).map(({ metadata }) => `${metadata?.namespace}/${metadata?.name}`);
  return [...new Set(names)]
    .filter((name) => !name.includes('undefined'))
    .sort()
    .map((name) => ({ namespace: name.split('/')[0], name: name.split('/')[1] }));
}

export class Lab {
  /** @type {Program[]} in the order of their start */
  programs = [];
  /** @type {Map<string, Program>} by node */
  agents = new Map();
  tokens = {};

  /**
   * @param {object} options
   * @param {string} [options.recording]  folder; or
   * @param {string} [options.generate]   as kubesim's --generate
   * @param {string[]} [options.nodes]    those that have an agent; worked out from the recording
   * @param {string | number} [options.speed]
   * @param {string | number} [options.endSpeed] after the last recorded event
   * @param {boolean} [options.realTime]  no clock of its own
   * @param {string[]} [options.kubesim]  more of its arguments
   * @param {string[]} [options.wecomsim] likewise
   * @param {object | ((lab: Lab) => object)} [options.agent] settings laid over the usual ones
   * @param {object} [options.collector]  likewise
   * @param {object} [options.env]        of agent and collector
   * @param {string} [options.build]      where the programs are
   * @param {string} [options.folder]     made below /tmp when left out, and removed at the end
   */
  constructor(options) {
    this.options = options;
    this.build = options.build ?? BUILD;
    this.folder = options.folder ?? fs.mkdtempSync(path.join(os.tmpdir(), 'nightjar-lab-'));
    this.nodes = options.nodes ?? (options.recording ? nodesOf(options.recording) : ['node1']);
    fs.mkdirSync(this.path('logs'), { recursive: true });
    fs.writeFileSync(this.path('key'), `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
  }

  path(...names) {
    return path.join(this.folder, ...names);
  }

  #program(name, options) {
    const program = new Program({ name, log: this.path('logs', `${name}.log`), ...options });
    this.programs.push(program);
    return program.start();
  }

  #node(name, script, args) {
    return this.#program(name, { command: process.execPath, args: [path.join(ROOT, script), ...args], captures: true });
  }

  /** The stand-ins; time stands still until run(). */
  async startStandIns() {
    const { recording, generate, speed = 'max', endSpeed = 1, realTime = false } = this.options;
    const clock = realTime ? [] : ['--clock-file', this.path('clock')];
    this.kubesim = this.#node('kubesim', 'tests/kubesim/main.js', [
      ...(recording ? ['--recording', recording] : ['--generate', generate]),
      ...clock,
      ...['--speed', String(speed), '--end-speed', String(endSpeed), '--start', 'control'],
      ...['--pod-logs', this.path('pods'), '--state-dir', this.path('kubesim')],
      ...(this.options.kubesim ?? []),
    ]);
    this.cluster = await this.kubesim.readyLine();
    this.wecomsim = this.#node('wecomsim', 'tests/wecomsim/main.js', [...clock, ...(this.options.wecomsim ?? [])]);
    this.wecom = await this.wecomsim.readyLine();
    const { port } = new URL(this.cluster.api);
    this.apiServerPort = Number(port);
    this.ports = { ingest: await freePort(), api: await freePort() };
    this.agentPorts = new Map();
    for (const node of this.nodes) this.agentPorts.set(node, await freePort());
    for (const url of this.wecom.robots) fs.writeFileSync(this.robotFile(new URL(url).searchParams.get('key')), url);
    fs.writeFileSync(this.path('hook-url'), this.wecom.hook);
  }

  /** Holds the URL of a robot. */
  robotFile(key = ROBOT) {
    return this.path(`url-of-${key}`);
  }

  get apiUrl() {
    return `http://127.0.0.1:${this.ports.api}`;
  }

  agentUrl(node = this.nodes[0]) {
    return `http://127.0.0.1:${this.agentPorts.get(node)}`;
  }

  #own(settings) {
    return typeof settings === 'function' ? settings(this) : settings;
  }

  collectorSettings() {
    return merge(
      {
        cluster: 'lab',
        log: { level: 'info', format: 'text' },
        kubernetes: { kubeconfig: this.cluster.kubeconfig },
        ingest: { listen: `tcp://127.0.0.1:${this.ports.ingest}`, key_file: this.path('key') },
        store: { path: this.path('collector.db') },
        notify: {
          // Each by itself, which is easier to hold against what happened; storms have tests of their own.
          storm_after: 0,
          public_url: this.apiUrl,
          channels: [{ name: 'wecom', type: 'wecom_robot', url_file: this.robotFile() }],
          routes: [{ group: 'everybody', channels: ['wecom'] }],
        },
        api: { listen: `127.0.0.1:${this.ports.api}` },
        // Addresses of recorded and generated pods are nobody's here, or somebody's: a test that has servers asks for checks.
        probes: { derive: false, builtin: false },
      },
      this.#own(this.options.collector),
    );
  }

  agentSettings(node) {
    return merge(
      {
        cluster: 'lab',
        node,
        log: { level: 'info', format: 'text' },
        kubernetes: { kubeconfig: this.cluster.kubeconfig },
        collector: {
          url: `tcp://127.0.0.1:${this.collectorPort ?? this.ports.ingest}`,
          key_file: this.path('key'),
          reconnect_min: '20ms',
          reconnect_max: '500ms',
        },
        outbox: { path: this.path(`outbox-${node}.db`) },
        crash: { log_dir: this.path('pods') },
        http: { listen: `127.0.0.1:${this.agentPorts.get(node)}` },
        // The machine that tests run on is nobody's node: a test with containers of its own asks for it.
        inspect: { enabled: false },
        probes: { builtin: false },
      },
      this.#own(this.options.agent),
    );
  }

  #start(program, name, file, settings, env) {
    fs.writeFileSync(file, toYaml(settings));
    if (program) {
      Object.assign(program, { env: { ...program.env, ...env } });
      return program.start();
    }
    const clock = this.options.realTime ? [] : ['--clock-file', this.path('clock')];
    return this.#program(name, {
      command: binary(name.replace(/\..*/, ''), this.build),
      args: ['--config', file, ...clock],
      env: { ...SANITIZERS, ...this.options.env, ...env },
    });
  }

  /** Starts it, or starts it again. Returns before it is ready. @param {object} [env] more environment */
  startCollector(env) {
    const file = this.path('collector.yaml');
    this.collector = this.#start(this.collector, 'nightjar-collector', file, this.collectorSettings(), env);
    return this.collector;
  }

  startAgent(node = this.nodes[0], env) {
    const name = this.nodes.length === 1 ? 'nightjar-agent' : `nightjar-agent.${node}`;
    const file = this.path(`agent-${node}.yaml`);
    const agent = this.#start(this.agents.get(node), name, file, this.agentSettings(node), env);
    this.agents.set(node, agent);
    return agent;
  }

  get agent() {
    return this.agents.get(this.nodes[0]);
  }

  async collectorReady() {
    await until(async () => (await ask(`${this.apiUrl}/readyz`)).status === 200, {
      what: 'the collector is ready',
      programs: [this.collector],
    });
  }

  async agentReady(node = this.nodes[0]) {
    await until(async () => (await ask(`${this.agentUrl(node)}/readyz`)).status === 200, {
      what: `the agent of ${node} is ready`,
      programs: [this.agents.get(node)],
    });
  }

  /** Everything, ready, with the time still standing. */
  async startAll() {
    await this.startStandIns();
    this.startCollector();
    for (const node of this.nodes) this.startAgent(node);
    await this.collectorReady();
    for (const node of this.nodes) await this.agentReady(node);
    await this.pace();
    return this;
  }

  /** Recorded time waits for the agents from now on, however little processor they get. */
  async pace() {
    if (!this.options.realTime) await this.control('clock', { pace: this.nodes.map((node) => `${this.agentUrl(node)}/livez`) });
  }

  /** Time begins to run. */
  async run() {
    this.startTime ??= new Date((await this.control('state')).time).toISOString();
    return this.control('start', {});
  }

  /** Time runs as slowly as in life until the agent has stored what it has seen, and at `speed` again then. */
  async catchUp(speed) {
    await this.control('clock', { speed: 1 });
    let looks = 0;
    await until(
      async () => {
        const waiting = metricSum(await this.agentMetrics(), 'nightjar_agent_findings_waiting');
        looks = waiting === 0 ? looks + 1 : 0;
        return looks === 3;
      },
      { what: 'the agent has stored what it has seen', programs: [this.agent] },
    );
    await this.control('clock', { speed });
  }

  /** POST /kubesim/PATH, or GET when there is no body. */
  control(where, body) {
    const url = `${this.cluster.control}/kubesim/${where}`;
    return command(url, body === undefined ? {} : { method: 'POST', body });
  }

  fault(rule) {
    return this.control('faults', rule);
  }

  clearFaults() {
    return command(`${this.cluster.control}/kubesim/faults`, { method: 'DELETE' });
  }

  /** Waits for a condition of kubesim's: "finished", "watch:pods:2", "time:...". */
  async waitCluster(condition, timeoutS = 300) {
    // A request has its own end, well before.
    for (let leftS = timeoutS; ; leftS -= WAIT_STEP_S) {
      try {
        return await this.control(`wait?until=${encodeURIComponent(condition)}&timeout=${Math.min(leftS, WAIT_STEP_S)}`);
      } catch (error) {
        if (leftS <= WAIT_STEP_S || !/did not happen/.test(error.message)) throw error;
      }
    }
  }

  /** POST /control/PATH of wecomsim, or GET when there is no body. */
  controlWecom(where, body) {
    const url = `${this.wecom.control}/control/${where}`;
    return command(url, body === undefined ? {} : { method: 'POST', body });
  }

  wecomFault(rule) {
    return this.controlWecom('faults', rule);
  }

  clearWecomFaults() {
    return command(`${this.wecom.control}/control/faults`, { method: 'DELETE' });
  }

  messages(channel) {
    return this.controlWecom(`messages${channel ? `?channel=${encodeURIComponent(channel)}` : ''}`);
  }

  api(where, options) {
    return ask(this.apiUrl + where, { token: this.tokens.read, ...options });
  }

  /** All items of a list, page by page. */
  async #all(where, query = {}) {
    const items = [];
    let cursor;
    do {
      const parameters = new URLSearchParams({ ...query, limit: '1000', ...(cursor && { cursor }) });
      const { status, json, text } = await this.api(`${where}?${parameters}`);
      if (status !== 200) throw new Error(`${where}: HTTP ${status} ${text}`);
      items.push(...json.items);
      cursor = json.nextCursor;
    } while (cursor);
    return items;
  }

  crashes(query) {
    return this.#all('/api/v1/crashes', query);
  }

  incidents(query) {
    return this.#all('/api/v1/incidents', query);
  }

  async crash(id) {
    return (await this.api(`/api/v1/crashes/${encodeURIComponent(id)}`)).json;
  }

  /** What nobody was told yet, or was not told well. */
  async openNotifications() {
    return (await this.api('/api/v1/notifications?limit=1000')).json.items;
  }

  async collectorMetrics() {
    return parseMetrics((await this.api('/metrics')).text);
  }

  async agentMetrics(node) {
    return parseMetrics((await ask(`${this.agentUrl(node)}/metrics`)).text);
  }

  /** What must stand still, and what must be zero, when all is said and done. */
  async #progress() {
    const agents = [];
    for (const [node, agent] of this.agents) {
      if (!agent.isRunning) continue;
      const metrics = await this.agentMetrics(node);
      const waiting = ['nightjar_outbox_events', 'nightjar_agent_findings_waiting'].map(
        (name) => metricSum(metrics, name) ?? 0,
      );
      const acknowledged = metricSum(metrics, 'nightjar_uplink_events_acknowledged_total');
      agents.push({ waiting, acknowledged, events: metricSum(metrics, 'nightjar_kube_events_total') });
    }
    const notifications = (await this.openNotifications()).filter(({ status }) => /^(pending|sending)$/.test(status));
    const crashes = (await this.crashes()).length;
    const incidents = (await this.incidents()).map(({ id, revision }) => `${id}.${revision}`);
    const { openWatches } = await this.control('state');
    const busy = agents.some(({ waiting }) => waiting.some((count) => count > 0));
    return {
      isIdle: !busy && notifications.length === 0,
      isTold: notifications.length === 0,
      isSeen: !busy,
      picture: JSON.stringify({ agents, crashes, incidents, openWatches, notifications: notifications.length }),
    };
  }

  /**
   * Waits until everything that happened has arrived: nothing waits anywhere, and one look after the other gives the same.
   * @param {{looks?: number, timeoutMs?: number, told?: boolean}} options `told` false: messages may still wait
   */
  async settled({ looks = 10, timeoutMs = 120_000, told = true } = {}) {
    let last;
    let same = 0;
    await until(
      async () => {
        const { isIdle, isSeen, picture } = await this.#progress();
        same = (told ? isIdle : isSeen) && picture === last ? same + 1 : 0;
        last = picture;
        return same >= looks;
      },
      { what: 'everything has arrived', timeoutMs, programs: [this.collector] },
    ).catch((error) => {
      throw new Error(`${error.message}\nlast seen: ${last}`);
    });
  }

  /** The session to its end, and everything arrived. */
  async finish(timeoutS = 300) {
    await this.waitCluster('finished', timeoutS);
    await this.settled();
  }

  /** Reports of the sanitizers in any log. @returns {string[]} */
  sanitizerReports() {
    return this.programs
      .filter(({ log }) => fs.existsSync(log) && SANITIZER_REPORT.test(fs.readFileSync(log, 'utf8')))
      .map((program) => `${program.name}:\n${program.logTail(200)}`);
  }

  /** Ends agents, then the collector, as Kubernetes would. @returns {Promise<Record<string, object>>} their exits */
  async stopPrograms() {
    const exits = {};
    await Promise.all(
      [...this.agents.values()].map(async (agent) => {
        exits[agent.name] = await agent.stop();
      }),
    );
    if (this.collector) exits[this.collector.name] = await this.collector.stop();
    return exits;
  }

  /** kill -9 to everything, and the folder goes unless it is to be looked at. */
  async destroy({ keep = false } = {}) {
    await Promise.all(this.programs.map((program) => program.kill()));
    if (!keep && !this.options.folder) fs.rmSync(this.folder, { recursive: true, force: true });
  }
}
