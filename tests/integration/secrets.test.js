/** `nightjar-collector create-secrets` against a server that takes Secrets as the API server does. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { binary } from '../lib/lab.js';
import { run } from '../lib/process.js';

const status = (code, message) => ({ code, body: { kind: 'Status', apiVersion: 'v1', status: 'Failure', message, code } });

/** Keeps the Secrets it is sent; `refuse(name)` may give a status instead. */
async function startServer(t, refuse = () => undefined) {
  const secrets = new Map();
  const requests = [];
  const server = http.createServer((request, response) => {
    const { method, url, headers } = request;
    let text = '';
    request.on('data', (chunk) => (text += chunk));
    request.on('end', () => {
      const secret = JSON.parse(text);
      const { name } = secret.metadata;
      requests.push({ method, url, headers, name });
      let answer = refuse(name) ?? { code: 201, body: secret };
      if (answer.code === 201 && secrets.has(name)) answer = status(409, `secrets "${name}" already exists`);
      else if (answer.code === 201) secrets.set(name, secret);
      response.writeHead(answer.code, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify(answer.body));
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nightjar-secrets-'));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  const kubeconfig = path.join(folder, 'kubeconfig');
  fs.writeFileSync(
    kubeconfig,
    `{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],
 clusters: [{name: c, cluster: {server: "http://127.0.0.1:${server.address().port}"}}],
 users: [{name: u, user: {token: the-jobs-token}}]}\n`,
  );
  const create = (...args) =>
    run(binary('nightjar-collector'), ['create-secrets', '--namespace=nightjar', `--kubeconfig=${kubeconfig}`, ...args]);
  return { server, secrets, requests, create };
}

test('both Secrets are made once, and what is there stays', async (t) => {
  const { secrets, requests, create } = await startServer(t);
  const first = await create();
  assert.equal(first.code, 0, first.stderr);
  assert.equal(first.stdout, 'secret/nightjar-key created\nsecret/nightjar-api created\n');
  for (const { method, url, headers } of requests) {
    assert.equal(method, 'POST');
    assert.equal(url, '/api/v1/namespaces/nightjar/secrets');
    assert.equal(headers['content-type'], 'application/json');
    assert.equal(headers.authorization, 'Bearer the-jobs-token');
  }
  const values = [...secrets.values()].flatMap(({ stringData }) => Object.values(stringData));
  assert.deepEqual(Object.keys(secrets.get('nightjar-key').stringData), ['key']);
  assert.deepEqual(Object.keys(secrets.get('nightjar-api').stringData), ['read-token', 'write-token']);
  for (const value of values) assert.match(value, /^[0-9a-f]{64}$/);
  assert.equal(new Set(values).size, 3, 'each is its own');
  assert.ok(!values.some((value) => first.stdout.includes(value) || first.stderr.includes(value)), 'none is printed');

  const before = structuredClone(secrets);
  const again = await create();
  assert.equal(again.code, 0);
  assert.equal(again.stdout, 'secret/nightjar-key unchanged\nsecret/nightjar-api unchanged\n');
  assert.deepEqual(secrets, before);
});

test('one that is missing is made beside one that was brought', async (t) => {
  const { secrets, create } = await startServer(t);
  secrets.set('nightjar-key', { mine: true });
  const { code, stdout } = await create();
  assert.equal(code, 0);
  assert.equal(stdout, 'secret/nightjar-key unchanged\nsecret/nightjar-api created\n');
  assert.deepEqual(secrets.get('nightjar-key'), { mine: true });
});

test('a refusal is said in the words of the API server', async (t) => {
  const forbidden = 'secrets is forbidden: User "system:serviceaccount:nightjar:default" cannot create resource "secrets"';
  const { create, secrets } = await startServer(t, (name) => (name === 'nightjar-api' ? status(403, forbidden) : undefined));
  const { code, stderr } = await create();
  assert.equal(code, 1);
  assert.ok(stderr.includes('nightjar/nightjar-api') && stderr.includes('403') && stderr.includes(forbidden), stderr);
  assert.match(stderr, /needed: `create` on secrets/);
  assert.ok(secrets.has('nightjar-key'));
});

test('an answer that is no JSON, a server that is away and a wrong command line end it with words', async (t) => {
  const { create, server, requests } = await startServer(t, () => ({ code: 502, body: 'bad gateway' }));
  const gateway = await create();
  assert.equal(gateway.code, 1);
  assert.match(gateway.stderr, /the API server answered 502/);
  assert.equal((await create('--nosuch')).code, 64);
  assert.equal((await create('--namespace=../kube-system')).code, 64);
  assert.equal(requests.length, 1);
  await new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
  const away = await create();
  assert.equal(away.code, 1);
  assert.match(away.stderr, /nightjar-key: .*connection refused/);
});
