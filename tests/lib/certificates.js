/** Certificates of a small authority of our own, made with the openssl program. */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** @returns {Promise<void>} writes NAME.key and NAME.crt, signed by ca unless it is the ca itself */
async function makeCertificate(folder, name, subject, extensions) {
  const issuer = name === 'ca' ? [] : ['-CA', path.join(folder, 'ca.crt'), '-CAkey', path.join(folder, 'ca.key')];
  await run('openssl', [
    'req',
    '-x509',
    ...KEY,
    ...issuer,
    '-days',
    '2',
    '-subj',
    subject,
    '-keyout',
    path.join(folder, `${name}.key`),
    '-out',
    path.join(folder, `${name}.crt`),
    ...extensions.flatMap((extension) => ['-addext', extension]),
  ]);
}

/** Makes ca, server and client certificates in `folder` (NAME.crt, NAME.key). */
export async function makeCertificates(folder) {
  fs.mkdirSync(folder, { recursive: true });
  await makeCertificate(folder, 'ca', '/CN=nightjar-tests-ca', ['keyUsage=critical,keyCertSign,cRLSign']);
  await makeCertificate(folder, 'server', '/CN=simulator', [
    'subjectAltName=DNS:localhost,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:::1',
    'extendedKeyUsage=serverAuth',
    'basicConstraints=critical,CA:FALSE',
  ]);
  await makeCertificate(folder, 'client', '/O=system:masters/CN=nightjar-tests', [
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
