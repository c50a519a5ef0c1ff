/** Programs that a benchmark starts, and what /proc says of them. */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';

const END_MS = 10_000;
const POLL_MS = 5;
const NS_PER_SECOND = 1e9;

export const pause = (ms) =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/** Polls until `condition()` gives something. @returns {Promise<any>} what it gave */
export async function until(condition, what, timeoutMs = 60_000) {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const result = await condition();
    if (result) return result;
    if (Date.now() > end) throw new Error(`${what}: did not happen within ${timeoutMs / 1000} s`);
    await pause(POLL_MS);
  }
}

/** A port that was free just now. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** A program that runs until it is stopped; what it says on stderr goes to `log`. */
export class Program {
  /** @param {{command: string[], log: string, env?: object}} options */
  constructor({ command: [program, ...args], log, env = {} }) {
    const fd = fs.openSync(log, 'a');
    this.name = program;
    this.log = log;
    this.child = spawn(program, args, { stdio: ['ignore', 'pipe', fd], env: { ...process.env, ...env } });
    fs.closeSync(fd);
    this.output = '';
    this.child.stdout.setEncoding('utf8').on('data', (text) => {
      this.output += text;
    });
    this.ended = new Promise((resolve) => {
      this.child.once('error', (error) => {
        this.failure = error.message;
        resolve();
      });
      this.child.once('close', (status, signal) => {
        this.failure ??= `ended with ${signal ?? status}`;
        resolve();
      });
    });
  }

  get pid() {
    return this.child.pid;
  }

  /** What it did not mean to do, in words. */
  check() {
    if (!this.failure) return;
    const tail = fs.readFileSync(this.log, 'utf8').split('\n').slice(-20).join('\n');
    throw new Error(`${this.name} ${this.failure}:\n${tail}`);
  }

  /** The JSON of its first line: how the simulators say that they are ready. */
  async ready() {
    await until(() => {
      this.check();
      return this.output.includes('\n');
    }, `${this.name} getting ready`);
    return JSON.parse(this.output);
  }

  /** Ends it; one that has to be killed is said so. */
  async stop() {
    if (this.failure) return;
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => {
      process.stderr.write(`bench: ${this.name} does not end on SIGTERM, killing it\n`);
      this.child.kill('SIGKILL');
    }, END_MS);
    await this.ended;
    clearTimeout(timer);
  }
}

/** Runs a program to its end. @returns {Promise<string>} what it said on stdout */
export async function runToEnd(program, args, timeoutMs = 120_000) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], timeout: timeoutMs });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
  });
  const [status, signal] = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (...end) => resolve(end));
  });
  if (status !== 0) throw new Error(`${program} ended with ${signal ?? status}`);
  return output;
}

/** Memory of a process in MiB. @returns {{VmRSS: number, RssAnon: number, RssFile: number}} */
export function memoryOf(pid) {
  const memory = {};
  for (const line of fs.readFileSync(`/proc/${pid}/status`, 'utf8').split('\n')) {
    const match = /^(VmRSS|VmHWM|RssAnon|RssFile):\s+(\d+) kB$/.exec(line);
    if (match) memory[match[1]] = Number(match[2]) / 1024;
  }
  return memory;
}

/** CPU time of a process in seconds, of the threads it has now; finer than the 10 ms of /proc/PID/stat. */
export function cpuSecondsOf(pid) {
  const threads = fs.readdirSync(`/proc/${pid}/task`);
  const ns = threads.map((thread) => Number(fs.readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]));
  return ns.reduce((sum, one) => sum + one, 0) / NS_PER_SECOND;
}
