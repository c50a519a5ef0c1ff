/**
 * A gRPC server that knows grpc.health.v1.Health/Check and nothing else, as a peer for probes.
 *
 *   node tests/lib/grpc-health.js [FOLDER]
 *
 * With FOLDER over TLS, with the certificates that it makes there (ca.crt is their authority). Prints its port when it
 * listens. Services: "" and "up" are serving, "down" is not, "broken" answers what is no message, "plain" answers without
 * gRPC, "silent" never answers, "reset" ends the stream; all others are not known.
 */
import http2 from 'node:http2';

import { makeCertificates, tlsOptions } from './certificates.js';

const STATUS = { '': 1, up: 1, down: 2 };
const NOT_FOUND = '5';

/** The one field of a HealthCheckRequest in its frame. */
function serviceOf(frame) {
  if (frame.length < 5 || frame[0] !== 0 || frame.readUInt32BE(1) !== frame.length - 5) throw new Error('no gRPC frame');
  if (frame.length === 5) return '';
  if (frame[5] !== 0x0a) throw new Error('no HealthCheckRequest');
  let length = 0;
  let at = 6;
  for (let shift = 0; ; shift += 7, at++) {
    length |= (frame[at] & 0x7f) << shift;
    if ((frame[at] & 0x80) === 0) break;
  }
  if (at + 1 + length !== frame.length) throw new Error('no HealthCheckRequest');
  return frame.subarray(at + 1).toString();
}

function frame(message) {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function answer(stream, headers, body) {
  let service;
  try {
    if (headers['content-type'] !== 'application/grpc' || headers.te !== 'trailers') throw new Error('no gRPC request');
    service = serviceOf(body);
  } catch (error) {
    stream.respond({ ':status': 400 });
    stream.end(error.message);
    return;
  }
  const ok = { ':status': 200, 'content-type': 'application/grpc' };
  if (service === 'silent') return;
  if (service === 'reset') {
    stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
  } else if (service === 'plain') {
    stream.respond({ ':status': 503, 'content-type': 'text/html' });
    stream.end('<html>busy</html>');
  } else if (service !== 'broken' && STATUS[service] === undefined) {
    // Trailers alone, as gRPC servers answer a failed call.
    stream.respond({ ...ok, 'grpc-status': NOT_FOUND, 'grpc-message': 'unknown service' }, { endStream: true });
  } else {
    stream.respond(ok, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(service === 'broken' ? Buffer.from([0, 0, 0, 0, 9, 8]) : frame(Buffer.from([0x08, STATUS[service]])));
  }
}

const folder = process.argv[2];
if (folder) await makeCertificates(folder);
const server = folder
  ? http2.createSecureServer({ ...tlsOptions(folder), requestCert: false })
  : http2.createServer();
server.on('stream', (stream, headers) => {
  const pieces = [];
  stream.on('error', () => {});
  stream.on('data', (piece) => pieces.push(piece));
  stream.on('end', () => {
    if (headers[':path'] === '/grpc.health.v1.Health/Check' && headers[':method'] === 'POST') {
      answer(stream, headers, Buffer.concat(pieces));
    } else {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '12' }, { endStream: true });
    }
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
