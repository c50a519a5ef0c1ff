/**
 * The logs of containers as a kubelet and containerd keep them: /var/log/pods/NS_POD_UID/CONTAINER/N.log, of which only
 * the two newest of a container exist. Held in memory for pods/log, and written below a folder when one is given. Lines are
 * strings of bytes ("latin1"): what containers write need not be text.
 */
import fs from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';

/** The running instance and one dead one. */
const INSTANCES_KEPT = 2;

/** @typedef {{namespace: string, name: string, uid: string}} PodName */

export class PodLogs {
  #folder;
  #keepAll;
  /** @type {Map<string, Map<string, Map<number, string[]>>>} uid, container, attempt: lines */
  #pods = new Map();
  #folders = new Map(); // uid: the pod's folder name

  /** @param {{folder?: string, keepAll?: boolean}} options `folder` stands for /var/log/pods */
  constructor({ folder, keepAll = false } = {}) {
    this.#folder = folder;
    this.#keepAll = keepAll;
    if (folder) fs.mkdirSync(folder, { recursive: true });
  }

  #file(uid, container, attempt) {
    return path.join(this.#folder, this.#folders.get(uid), container, `${attempt}.log`);
  }

  /** An instance of a container starts. @param {PodName} pod */
  create(pod, container, attempt) {
    this.#folders.set(pod.uid, `${pod.namespace}_${pod.name}_${pod.uid}`);
    const containers = this.#pods.get(pod.uid) ?? new Map();
    this.#pods.set(pod.uid, containers);
    const attempts = containers.get(container) ?? new Map();
    containers.set(container, attempts);
    if (attempts.has(attempt)) return;
    attempts.set(attempt, []);
    if (this.#folder) {
      const file = this.#file(pod.uid, container, attempt);
      fs.mkdirSync(path.dirname(file), { recursive: true });
      fs.writeFileSync(file, '');
    }
    if (!this.#keepAll) this.#forgetOlder(pod.uid, container, attempts, attempt);
  }

  #forgetOlder(uid, container, attempts, newest) {
    for (const attempt of [...attempts.keys()]) {
      if (attempt <= newest - INSTANCES_KEPT) {
        attempts.delete(attempt);
        if (this.#folder) this.#removeFiles(this.#file(uid, container, attempt));
      }
    }
  }

  /** The file and its rotated predecessors. */
  #removeFiles(file) {
    const folder = path.dirname(file);
    for (const name of fs.readdirSync(folder)) {
      if (name === path.basename(file) || name.startsWith(`${path.basename(file)}.`)) {
        fs.rmSync(path.join(folder, name), { force: true });
      }
    }
  }

  /**
   * The kubelet puts a file that has grown too large aside and begins a new one; pods/log shows only the new one.
   * @param {string} name  of what is put aside, "0.log.20261121-091332", with ".gz" when it is compressed
   */
  rotate(uid, container, attempt, name) {
    const lines = this.#pods.get(uid)?.get(container)?.get(attempt);
    if (!lines) return;
    lines.length = 0;
    if (!this.#folder) return;
    const file = this.#file(uid, container, attempt);
    const aside = path.join(path.dirname(file), name);
    if (name.endsWith('.gz')) fs.writeFileSync(aside, gzipSync(fs.readFileSync(file)));
    else fs.renameSync(file, aside);
    fs.writeFileSync(file, '');
  }

  /** @param {string} line in containerd's format, with its newline */
  append(uid, container, attempt, line) {
    const lines = this.#pods.get(uid)?.get(container)?.get(attempt);
    if (!lines) return; // it is gone already
    lines.push(line);
    if (this.#folder) fs.appendFileSync(this.#file(uid, container, attempt), line, 'latin1');
  }

  /** The pod is gone from the node. */
  removePod(uid) {
    if (this.#keepAll || !this.#pods.delete(uid)) return;
    if (this.#folder) fs.rmSync(path.join(this.#folder, this.#folders.get(uid)), { recursive: true, force: true });
    this.#folders.delete(uid);
  }

  /** @returns {string[] | undefined} undefined when the log does not exist */
  lines(uid, container, attempt) {
    return this.#pods.get(uid)?.get(container)?.get(attempt);
  }
}

/**
 * What pods/log answers from these lines.
 * @param {string[]} lines in containerd's format
 * @param {{tailLines?: number, limitBytes?: number, timestamps?: boolean}} options
 */
export function renderLog(lines, { tailLines, limitBytes, timestamps = false }) {
  const whole = []; // parts of one line belong together
  let open = false;
  for (const line of lines) {
    const match = /^(\S+) (?:stdout|stderr) ([PF]\S*) ?([^\n]*)\n?$/.exec(line);
    if (!match) continue;
    const [, time, tag, text] = match;
    const piece = (timestamps ? `${time} ` : '') + text + (tag.startsWith('P') ? '' : '\n');
    if (open) whole[whole.length - 1] += piece;
    else whole.push(piece);
    open = tag.startsWith('P');
  }
  const tail = tailLines === undefined ? whole : whole.slice(Math.max(0, whole.length - tailLines));
  const body = Buffer.from(tail.join(''), 'latin1');
  return limitBytes === undefined ? body : body.subarray(0, limitBytes);
}
