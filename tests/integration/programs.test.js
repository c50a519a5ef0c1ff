/** The two programs as an administrator meets them: command line, settings, signals, metrics. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { ask, binary, RECORDING } from '../lib/lab.js';
import { labTest } from '../lib/lab-test.js';
import { promtool } from '../lib/prometheus.js';
import { until } from '../lib/wait.js';

const PROGRAMS = ['nightjar-agent', 'nightjar-collector'];

const run = (program, ...args) => spawnSync(binary(program), args, { encoding: 'utf8', timeout: 60_000 });

for (const program of PROGRAMS) {
  test(`${program}: --help, --version, --print-config, --check-config`, (t) => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nightjar-programs-'));
    t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
    const file = path.join(folder, 'settings.yaml');

    const help = run(program, '--help');
    assert.equal(help.status, 0);
    for (const word of ['--config', '--check-config', '--print-config', '--version', 'log.level']) {
      assert.ok(help.stdout.includes(word), `--help says ${word}`);
    }
    assert.match(run(program, '--version').stdout, new RegExp(`^${program} \\d+\\.\\d+\\.\\d+\n$`));

    const printed = run(program, '--print-config');
    assert.equal(printed.status, 0, printed.stderr);
    fs.writeFileSync(file, printed.stdout);
    assert.equal(run(program, '--config', file, '--check-config').status, 0);
    assert.equal(run(program, '--config', file, '--print-config').stdout, printed.stdout, 'what is printed loads back');

    fs.writeFileSync(file, 'log:\n  levle: info\n');
    const unknown = run(program, '--config', file, '--check-config');
    assert.equal(unknown.status, 78);
    assert.match(unknown.stderr, /settings\.yaml:2: .*levle/);
    fs.writeFileSync(file, 'log:\n  level: loud\n');
    assert.match(run(program, '--config', file, '--check-config').stderr, /:2: log\.level.*debug.*info.*warn.*error/s);
    assert.equal(run(program, '--config', path.join(folder, 'nosuch.yaml')).status, 78);
    assert.equal(run(program, '--nosuch-flag').status, 64);
    assert.match(run(program, '--log.level=loud').stderr, /log\.level/);
  });

  test(`${program}: a missing key is said, with the setting to mend`, (t) => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nightjar-programs-'));
    t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
    const setting = program === 'nightjar-agent' ? 'collector.key_file' : 'ingest.key_file';
    const { status, stderr } = run(program, `--${setting}=${folder}/nosuch`, '--log.format=text');
    assert.equal(status, 1);
    assert.match(stderr, new RegExp(`${setting.replace('.', '\\.')}.*nosuch`));
  });
}

labTest('metrics are what promtool takes for good', { recording: RECORDING, speed: 60 }, async (lab) => {
  await lab.startAll();
  await lab.run();
  await lab.finish();
  for (const url of [lab.agentUrl(), lab.apiUrl]) {
    const { text } = await ask(`${url}/metrics`);
    const { status, stdout, stderr } = promtool(text);
    assert.equal(status, 0, `${url}:\n${stdout}${stderr}`);
    assert.match(text, /^nightjar_build_info\{/m);
    assert.match(text, /^process_resident_memory_bytes /m);
  }
});

labTest('SIGHUP takes good settings over and keeps the old ones when the new are bad', {
  recording: RECORDING,
  speed: 60,
}, async (lab) => {
  await lab.startAll();
  const reload = async (program, file, settings, words) => {
    fs.writeFileSync(file, settings);
    const before = program.logTail(10_000).length;
    program.signal('SIGHUP');
    await until(() => words.test(program.logTail(10_000).slice(before)), {
      what: `${program.name} says ${words}`,
      programs: [program],
    });
  };
  for (const [program, file] of [[lab.agent, lab.path('agent-node1.yaml')], [lab.collector, lab.path('collector.yaml')]]) {
    const good = fs.readFileSync(file, 'utf8');
    await reload(program, file, `${good}\nnosuch: 1\n`, /nosuch.*the old settings stay/s);
    await reload(program, file, good.replace('level: info', 'level: debug'), /settings reloaded/);
  }
  await lab.run();
  await lab.finish();
  assert.equal((await lab.crashes()).length, 39);
});
