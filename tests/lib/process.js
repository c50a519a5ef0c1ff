/** Programs under test: started with their output in files, waited for, and never left behind. */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { until } from './wait.js';

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();

process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
  process.on(signal, () => {
    if (process.listenerCount(signal) === 1) process.exit(1); // somebody else has no plan: the exit handler kills
  });
}

export class Program {
  #child;
  #exit;

  /**
   * @param {object} options
   * @param {string} options.name     for messages
   * @param {string} options.command
   * @param {string[]} [options.args]
   * @param {object} [options.env]    added to ours
   * @param {string} options.log      file that gets stderr, and stdout unless `captures`
   * @param {boolean} [options.captures] whether stdout is kept in `stdout`
   */
  constructor({ name, command, args = [], env = {}, log, captures = false }) {
    Object.assign(this, { name, command, args, env, log, captures });
    this.stdout = '';
  }

  get pid() {
    return this.#child?.pid;
  }

  get isRunning() {
    return this.#child !== undefined && this.#exit === undefined;
  }

  /** What it ended with: {code, signal}; undefined while it runs. */
  get exit() {
    return this.#exit;
  }

  start() {
    if (this.isRunning) throw new Error(`${this.name} runs already`);
    const log = fs.openSync(this.log, 'a');
    const stdout = this.captures ? 'pipe' : log;
    this.#exit = undefined;
    this.stdout = '';
    const child = spawn(this.command, this.args, {
      env: { ...process.env, ...this.env },
      stdio: ['ignore', stdout, log],
    });
    fs.closeSync(log);
    this.#child = child;
    running.add(child);
    child.stdout?.on('data', (chunk) => {
      this.stdout += chunk;
    });
    this.ended = new Promise((resolve) => {
      child.once('error', (error) => this.#ended(child, resolve, { code: null, signal: null, error }));
      child.once('close', (code, signal) => this.#ended(child, resolve, { code, signal }));
    });
    return this;
  }

  #ended(child, resolve, exit) {
    running.delete(child);
    if (child === this.#child) this.#exit = exit;
    resolve(exit);
  }

  /** The first line that it prints, as JSON: how the simulators say where they are. */
  async readyLine(timeoutMs) {
    await until(() => this.stdout.includes('\n'), { what: `${this.name} is ready`, programs: [this], timeoutMs });
    return JSON.parse(this.stdout.slice(0, this.stdout.indexOf('\n')));
  }

  signal(signal) {
    this.#child?.kill(signal);
  }

  /** kill -9, and gone. */
  async kill() {
    if (!this.isRunning) return;
    this.signal('SIGKILL');
    await this.ended;
  }

  /** Asks it to end. @returns {Promise<{code: number | null, signal: string | null}>} */
  async stop(timeoutMs = 30_000) {
    if (!this.isRunning) return this.#exit;
    this.signal('SIGTERM');
    const timer = setTimeout(() => this.signal('SIGKILL'), timeoutMs);
    const exit = await this.ended;
    clearTimeout(timer);
    return exit;
  }

  /** The end of what it logged. */
  logTail(lines = 60) {
    if (!fs.existsSync(this.log)) return '';
    return fs.readFileSync(this.log, 'utf8').split('\n').slice(-lines - 1).join('\n');
  }
}

/** Runs a program to its end. @returns {Promise<{code, signal, stdout, stderr}>} */
export function run(command, args = [], { input, timeoutMs = 60_000, ...options } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], ...options });
    running.add(child);
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    const done = () => {
      clearTimeout(timer);
      running.delete(child);
    };
    child.on('error', (error) => {
      done();
      reject(error);
    });
    child.on('close', (code, signal) => {
      done();
      resolve({ code, signal, stdout, stderr });
    });
    child.stdin.on('error', () => {}); // it need not read what it is given
    child.stdin.end(input);
  });
}
