/** Who may include what, and which functions nobody calls: the architecture as a test. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const PRODUCT = ['agent', 'collector', 'common'];

/** Every file below a folder. @returns {string[]} paths from the root */
function walk(folder) {
  return fs.readdirSync(path.join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const name = path.join(folder, entry.name);
    return entry.isDirectory() ? walk(name) : [name];
  });
}

/** @returns {string[]} */
const sources = (folders) => folders.flatMap(walk).filter((name) => /\.[ch]$/.test(name)).sort();

/** The code without what is in comments and strings, line by line as it was. */
const bare = (text) =>
  text
    .replace(/\/\*.*?\*\//gs, (comment) => comment.replace(/[^\n]/g, ' '))
    .replace(/\/\/.*/g, '')
    .replace(/"(?:[^"\\\n]|\\.)*"/g, '""');

const files = sources(PRODUCT).map((name) => {
  const text = fs.readFileSync(path.join(ROOT, name), 'utf8');
  const includes = [...text.matchAll(/^\s*#\s*include\s*([<"])([^>"]+)[>"]/gm)].map(([, kind, what]) => ({
    isOurs: kind === '"',
    what,
  }));
  return { name, code: bare(text), includes };
});

test('there is something to check', () => {
  for (const folder of PRODUCT) assert.ok(files.filter(({ name }) => name.startsWith(`${folder}/`)).length > 5, folder);
});

test('our own headers are included from the root of the repository', () => {
  const strange = files.flatMap(({ name, includes }) =>
    includes
      .filter(({ isOurs, what }) => isOurs && !what.endsWith('.pb-c.h') && !fs.existsSync(path.join(ROOT, what)))
      .map(({ what }) => `${name}: ${what}`),
  );
  assert.deepEqual(strange, []);
});

/** Folders that a folder's files may not include anything of. */
const WALLS = { common: ['agent', 'collector', 'tests'], agent: ['collector', 'tests'], collector: ['agent', 'tests'] };

for (const [folder, others] of Object.entries(WALLS)) {
  test(`${folder} includes nothing of ${others.join(', ')}`, () => {
    const breaches = files
      .filter(({ name }) => name.startsWith(`${folder}/`))
      .flatMap(({ name, includes }) =>
        includes
          .filter(({ what }) => others.some((other) => what.startsWith(`${other}/`)))
          .map(({ what }) => `${name}: ${what}`),
      );
    assert.deepEqual(breaches, []);
  });
}

/** Which files alone may see a library. */
const GATES = [
  ['protobuf-c', /protobuf-c|\.pb-c\.h$/, /^common\/(wire\/codec\.[ch]|wire\/(batch|event)\.c|kube\/(decode|list|pb)[a-z_]*\.[ch])$|^collector\/remote\/remote_request\.c$/],
  ['snappy', /^snappy/, /^collector\/remote\//],
  ['nanomsg', /^nanomsg\//, /^common\/loop\/msgsock\.c$/],
  ['libcurl', /^curl\//, /^common\/loop\/http(_[a-z]+)?\.[ch]$/],
  ['OpenSSL', /^openssl\//, /^common\/loop\/http_tls\.c$/],
  ['libmicrohttpd', /^microhttpd\.h$/, /^common\/loop\/httpd(_[a-z]+)?\.[ch]$/],
  ['libuv', /^uv\.h$/, /^common\/loop\//],
  ['SQLite', /^sqlite3\.h$/, /^(agent\/outbox|collector\/store\/sqlite)\//],
  ['zstd', /^(zstd|zdict)/, /^(common\/wire|collector\/store)\//],
  ['PCRE2', /^pcre2/, /^(common\/(base\/redact|probe\/pattern)|collector\/notify\/matchers)\.c$/],
  ['libyaml', /^yaml\.h$/, /^(common\/(base|kube)|collector\/import)\//],
];

for (const [library, header, gate] of GATES) {
  test(`only its own files see ${library}`, () => {
    const breaches = files
      .filter(({ name, includes }) => !gate.test(name) && includes.some(({ what }) => header.test(what)))
      .map(({ name }) => name);
    assert.deepEqual(breaches, []);
  });
}

test('only one file calls nanomsg, and one libcurl\'s multi interface', () => {
  const callers = (pattern) => files.filter(({ code }) => pattern.test(code)).map(({ name }) => name);
  assert.deepEqual(callers(/\bnn_[a-z]+\s*\(/), ['common/loop/msgsock.c']);
  assert.deepEqual(callers(/\bcurl_multi_[a-z_]+\s*\(/), ['common/loop/http.c']);
});

test('SQL is nowhere but in outbox and store', () => {
  const breaches = files
    .filter(({ name, code }) => !/^(agent\/outbox|collector\/store\/sqlite)\//.test(name) && /\bsqlite3_\w+\s*\(/.test(code))
    .map(({ name }) => name);
  assert.deepEqual(breaches, []);
});

const BANNED =
  /\b(sprintf|vsprintf|strcpy|strcat|strncpy|strncat|gets|atoi|atol|atoll|atof|strtok|system|popen|usleep|sleep|nanosleep|alloca|tmpnam|mktemp|gethostbyname)\s*\(/;

test('calls that are banned are not made', () => {
  const breaches = files.flatMap(({ name, code }) =>
    code
      .split('\n')
      .map((line, index) => ({ line, index, call: BANNED.exec(line)?.[1] }))
      .filter(({ call }) => call)
      .map(({ index, call }) => `${name}:${index + 1}: ${call}()`),
  );
  assert.deepEqual(breaches, []);
});

test('raw allocation stays where its failure is handled', () => {
  const breaches = files
    .filter(({ name, code }) => !/^common\/base\/(alloc|buf)\.c$/.test(name) && /\b(malloc|calloc|realloc|strdup|strndup)\s*\(/.test(code))
    .map(({ name }) => name);
  assert.deepEqual(breaches, []);
});

test('nothing is left for later', () => {
  const later = /\b(TODO|FIXME|XXX|HACK|not implemented)\b/;
  const found = ['common', 'agent', 'collector', 'proto', 'deploy', 'tests', '.ci']
    .flatMap(walk)
    .filter((name) => /\.(c|h|js|mjs|sh|cmake|txt|yaml|proto)$/.test(name) || name === '.ci/run')
    .filter((name) => !/\/(recordings|corpus)\//.test(name) && name !== 'tests/style/layers.test.js')
    .filter((name) => later.test(fs.readFileSync(path.join(ROOT, name), 'utf8')));
  assert.deepEqual(found, []);
});
