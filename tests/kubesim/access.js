/** Who may ask: client certificates and bearer tokens, and the files that let a client do so. */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { StatusError } from './status.js';

const run = promisify(execFile);
const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
const CLIENT = 'nightjar-tests';

/** @returns {Promise<void>} writes NAME.key and NAME.crt, signed by ca unless it is the ca itself */
async function makeCertificate(folder, name, subject, extensions) {
  const issuer = name === 'ca' ? [] : ['-CA', path.join(folder, 'ca.crt'), '-CAkey', path.join(folder, 'ca.key')];
  await run('openssl', [
    'req', '-x509', ...KEY, ...issuer, '-days', '2', '-subj', subject,
    '-keyout', path.join(folder, `${name}.key`), '-out', path.join(folder, `${name}.crt`),
    ...extensions.flatMap((extension) => ['-addext', extension]),
  ]);
}

/** Makes ca, server and client certificates in `folder`. */
export async function makeCertificates(folder) {
  fs.mkdirSync(folder, { recursive: true });
  await makeCertificate(folder, 'ca', '/CN=kubesim-ca', ['keyUsage=critical,keyCertSign,cRLSign']);
  await makeCertificate(folder, 'server', '/CN=kubesim', [
    'subjectAltName=DNS:localhost,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:::1',
    'extendedKeyUsage=serverAuth',
    'basicConstraints=critical,CA:FALSE',
  ]);
  await makeCertificate(folder, 'client', `/O=system:masters/CN=${CLIENT}`, [
    'extendedKeyUsage=clientAuth',
    'basicConstraints=critical,CA:FALSE',
  ]);
}

/** Options for https.createServer. */
export function tlsOptions(folder) {
  const read = (name) => fs.readFileSync(path.join(folder, name));
  return {
    key: read('server.key'),
    cert: read('server.crt'),
    ca: read('ca.crt'),
    requestCert: true,
    rejectUnauthorized: false, // a bearer token will do as well
  };
}

function kubeconfig(server, cluster, user) {
  const block = (fields) => Object.entries(fields).map(([key, value]) => `    ${key}: ${JSON.stringify(value)}\n`).join('');
  return `apiVersion: v1
kind: Config
current-context: kubesim
contexts:
- name: kubesim
  context:
    cluster: kubesim
    user: ${CLIENT}
clusters:
- name: kubesim
  cluster:
${block({ server, ...cluster })}users:
- name: ${CLIENT}
  user:
${block(user)}`;
}

/**
 * Writes kubeconfig (client certificate, or nothing over plain HTTP), kubeconfig-token (the token itself) and
 * kubeconfig-token-file (the token's file).
 * @returns {Record<string, string>} their paths
 */
export function writeKubeconfigs(folder, server, { tls, token }) {
  const cluster = tls ? { 'certificate-authority': path.join(folder, 'ca.crt') } : {};
  const certificate = { 'client-certificate': path.join(folder, 'client.crt'), 'client-key': path.join(folder, 'client.key') };
  const users = {
    kubeconfig: tls ? certificate : { token },
    'kubeconfig-token': { token },
    'kubeconfig-token-file': { tokenFile: path.join(folder, 'token') },
  };
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(path.join(folder, 'token'), token);
  const paths = {};
  for (const [name, user] of Object.entries(users)) {
    paths[name] = path.join(folder, name);
    fs.writeFileSync(paths[name], kubeconfig(server, cluster, user));
  }
  return paths;
}

export class Access {
  user = 'system:serviceaccount:nightjar:nightjar-agent';

  /** @param {{required: boolean, tokens: string[]}} options */
  constructor({ required, tokens }) {
    this.required = required;
    this.tokens = new Set(tokens);
  }

  /** @returns {StatusError | undefined} why the request is refused */
  check(request) {
    if (!this.required || request.socket.authorized) return undefined;
    const [, token] = /^Bearer (.+)$/.exec(request.headers.authorization ?? '') ?? [];
    return token !== undefined && this.tokens.has(token) ? undefined : new StatusError(401);
  }
}
