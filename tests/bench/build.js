/** Release binaries, as they are shipped: gcc, RelWithDebInfo, no sanitizers; what is missing is installed first. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
export const BUILD = path.join(ROOT, 'build', 'bench');
/** What the tests' C programs need beyond deploy/image/build-packages.txt. */
const TEST_PACKAGES = ['libcmocka-dev'];

/** @param {{command: string[], log: string, env?: object}} step  everything it says goes to the log */
function run({ command: [program, ...args], log, env = {} }) {
  const fd = fs.openSync(log, 'a');
  const { status, error } = spawnSync(program, args, { stdio: ['ignore', fd, fd], env: { ...process.env, ...env } });
  fs.closeSync(fd);
  if (status === 0) return;
  const tail = fs.readFileSync(log, 'utf8').split('\n').slice(-40).join('\n');
  throw new Error(`${program} failed (${error?.message ?? `exit status ${status}`}), see ${log}:\n${tail}`);
}

function missingPackages() {
  const listed = fs.readFileSync(path.join(ROOT, 'deploy/image/build-packages.txt'), 'utf8').split(/\s+/);
  const wanted = [...listed.filter(Boolean), ...TEST_PACKAGES];
  const query = ['-W', '-f', '${Package} ${db:Status-Status}\n', ...wanted];
  const { stdout } = spawnSync('dpkg-query', query, { encoding: 'utf8' });
  const installed = new Set((stdout ?? '').split('\n').filter((line) => line.endsWith(' installed')));
  return wanted.filter((name) => !installed.has(`${name} installed`));
}

function installPackages(log) {
  const missing = missingPackages();
  if (missing.length === 0) return;
  if (process.getuid() !== 0) {
    throw new Error(`install these packages, or run this as root: ${missing.join(' ')}`);
  }
  process.stderr.write(`bench: installing ${missing.join(' ')}\n`);
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  run({ command: ['apt-get', 'update', '-q'], log, env });
  run({ command: ['apt-get', 'install', '-qy', '--no-install-recommends', ...missing], log, env });
}

/** @param {string[]} targets of CMake */
export function build(targets) {
  fs.mkdirSync(BUILD, { recursive: true });
  const log = path.join(BUILD, 'bench.log');
  fs.rmSync(log, { force: true });
  installPackages(log);
  process.stderr.write('bench: building into build/bench\n');
  const options = ['-G', 'Ninja', '-DCMAKE_C_COMPILER=gcc', '-DCMAKE_BUILD_TYPE=RelWithDebInfo', '-DNJ_SANITIZE=OFF'];
  run({ command: ['cmake', '-S', ROOT, '-B', BUILD, ...options], log });
  run({ command: ['cmake', '--build', BUILD, '--target', ...targets], log });
}

/** The path of a program that was built. @param {string} relative  "agent/nightjar-agent" */
export const binary = (relative) => path.join(BUILD, relative);
