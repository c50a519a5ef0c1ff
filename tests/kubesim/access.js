/** Who may ask: client certificates and bearer tokens, and the files that let a client do so. */
import fs from 'node:fs';
import path from 'node:path';
import { StatusError } from './status.js';

const CLIENT = 'nightjar-tests';

function kubeconfig(server, cluster, user) {
  const block = (fields) =>
    Object.entries(fields)
      .map(([key, value]) => `    ${key}: ${JSON.stringify(value)}\n`)
      .join('');
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
  const certificate = {
    'client-certificate': path.join(folder, 'client.crt'),
    'client-key': path.join(folder, 'client.key'),
  };
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
