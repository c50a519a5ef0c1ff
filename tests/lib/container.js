/**
 * Real containers, as the kernel has them: a process of its own (tests/integration/hog.c) in cgroups that are named as the
 * kubelet names them, and its pod in kubesim.
 */
import { spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { ask, BUILD } from './lab.js';
import { until } from './wait.js';

const CGROUP = '/sys/fs/cgroup';
const NEEDED = ['memory', 'pids', 'cpu', 'cpuacct'];
const isUnified = fs.existsSync(path.join(CGROUP, 'cgroup.controllers'));

/** Why containers cannot be made here; undefined when they can. */
export function whyNoContainers() {
  if (process.getuid() !== 0) return 'only root makes cgroups';
  try {
    const folder = path.join(isUnified ? CGROUP : path.join(CGROUP, 'memory'), `nightjar-test-${process.pid}`);
    fs.mkdirSync(folder);
    const works = isUnified ? fs.readFileSync(path.join(CGROUP, 'cgroup.controllers'), 'utf8').includes('memory') : fs.existsSync(path.join(folder, 'memory.limit_in_bytes'));
    fs.rmdirSync(folder);
    return works ? undefined : 'no memory controller';
  } catch (error) {
    return `no cgroups can be made: ${error.message}`;
  }
}

/** The folders that a container's cgroup is, by controller. */
function foldersOf(place) {
  if (isUnified) return new Map(NEEDED.map((controller) => [controller, path.join(CGROUP, place)]));
  return new Map(
    NEEDED.filter((controller) => fs.existsSync(path.join(CGROUP, controller))).map((controller) => [
      controller,
      path.join(CGROUP, controller, place),
    ]),
  );
}

function makeFolder(folder) {
  if (isUnified) {
    // A controller is handed down level by level.
    let at = CGROUP;
    for (const part of path.relative(CGROUP, folder).split('/')) {
      fs.writeFileSync(path.join(at, 'cgroup.subtree_control'), '+memory +pids +cpu');
      at = path.join(at, part);
      if (!fs.existsSync(at)) fs.mkdirSync(at);
    }
  } else fs.mkdirSync(folder, { recursive: true });
}

const now = () => new Date().toISOString().replace(/\.\d+Z$/, 'Z');

export class Container {
  /**
   * @param {import('./lab.js').Lab} lab
   * @param {object} options
   * @param {string} options.name             of the pod and its workload
   * @param {number} [options.memoryLimit]    bytes
   * @param {number} [options.pidsLimit]
   * @param {number} [options.cpuLimitMillis]
   * @param {object} [options.resources]      of the container's spec; from the limits without a word
   * @param {boolean} [options.network]       a network namespace of its own
   * @param {number} [options.fdLimit]
   */
  constructor(lab, options) {
    Object.assign(this, { lab, namespace: 'shop', node: lab.nodes[0], network: true }, options);
    this.uid = randomUUID();
    this.id = createHash('sha256').update(this.uid).digest('hex');
    // Below a folder of the test's own: a kubelet on this machine would clear up pods that it does not know.
    this.place = `nightjar-test-${process.pid}/kubepods/burstable/pod${this.uid}/${this.id}`;
    this.folders = foldersOf(this.place);
    this.restarts = 0;
  }

  write(controller, file, value) {
    const folder = this.folders.get(controller);
    if (folder) fs.writeFileSync(path.join(folder, file), String(value));
  }

  read(controller, file) {
    return fs.readFileSync(path.join(this.folders.get(controller), file), 'utf8');
  }

  async start() {
    for (const folder of new Set(this.folders.values())) makeFolder(folder);
    if (this.memoryLimit) this.write('memory', isUnified ? 'memory.max' : 'memory.limit_in_bytes', this.memoryLimit);
    if (this.pidsLimit) this.write('pids', 'pids.max', this.pidsLimit);
    if (this.cpuLimitMillis) {
      if (isUnified) this.write('cpu', 'cpu.max', `${this.cpuLimitMillis * 100} 100000`);
      else this.write('cpu', 'cpu.cfs_quota_us', this.cpuLimitMillis * 100);
    }
    const hog = path.join(BUILD, 'tests', 'integration', 'nj_hog');
    const limit = this.fdLimit ? `ulimit -n ${this.fdLimit};` : '';
    this.child = spawn('/bin/sh', ['-c', `${limit} exec ${hog}`], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.exited = new Promise((resolve) => this.child.once('exit', (code, signal) => resolve({ code, signal })));
    this.answers = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
    for (const folder of new Set(this.folders.values())) fs.writeFileSync(path.join(folder, 'cgroup.procs'), String(this.child.pid));
    if (this.network) await this.ask('network');
    await this.#createPod();
    return this;
  }

  /** @returns {Promise<string>} what it says after "ok" */
  async ask(command) {
    this.child.stdin.write(`${command}\n`);
    const { value = 'it has ended', done } = await this.answers.next();
    if (done || !value.startsWith('ok')) throw new Error(`${this.name}: ${command}: ${value}`);
    return value.slice(3);
  }

  get podPath() {
    return `/api/v1/namespaces/${this.namespace}/pods`;
  }

  #status(state) {
    return {
      phase: 'Running',
      hostIP: '127.0.0.1',
      startTime: this.createdAt,
      conditions: ['Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map((type) => ({
        type,
        status: 'True',
        lastTransitionTime: this.createdAt,
      })),
      containerStatuses: [
        {
          name: 'c',
          image: 'hog',
          imageID: '',
          ready: true,
          started: true,
          restartCount: this.restarts,
          containerID: `containerd://${this.id}`,
          state,
          lastState: {},
        },
      ],
    };
  }

  async #createPod() {
    this.createdAt = now();
    const limits = {
      ...(this.memoryLimit && { memory: String(this.memoryLimit) }),
      ...(this.cpuLimitMillis && { cpu: `${this.cpuLimitMillis}m` }),
    };
    const pod = {
      metadata: {
        name: `${this.name}-0`,
        uid: this.uid,
        ownerReferences: [
          { apiVersion: 'apps/v1', kind: 'StatefulSet', name: this.name, uid: `${this.uid}-owner`, controller: true },
        ],
      },
      spec: {
        nodeName: this.node,
        restartPolicy: 'Always',
        containers: [{ name: 'c', image: 'hog', resources: this.resources ?? { limits, requests: limits } }],
      },
      status: this.#status({ running: { startedAt: this.createdAt } }),
    };
    const { status, text } = await ask(this.lab.cluster.api + this.podPath, { method: 'POST', body: { apiVersion: 'v1', kind: 'Pod', ...pod } });
    if (status !== 201) throw new Error(`${this.podPath}: ${status} ${text}`);
  }

  async deletePod() {
    await ask(`${this.lab.cluster.api}${this.podPath}/${this.name}-0`, { method: 'DELETE' });
  }

  /** Its processes end, and its cgroups go, as when the runtime removes it. */
  async stop() {
    this.child?.kill('SIGKILL');
    await this.exited;
    for (const folder of new Set(this.folders.values())) {
      if (!fs.existsSync(folder)) continue;
      const isEmpty = () => fs.readFileSync(path.join(folder, 'cgroup.procs'), 'utf8') === '';
      await until(isEmpty, { what: `${folder} is empty` });
      for (let level = folder; path.dirname(level) !== CGROUP && level.includes('nightjar-test-'); level = path.dirname(level)) {
        try {
          fs.rmdirSync(level);
        } catch {
          break; // others are still in there
        }
      }
    }
  }
}
