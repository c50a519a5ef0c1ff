/**
 * Nightjar's packets and nanomsg's framing, written from their descriptions (common/wire/seal.h; nanomsg's sp-tcp-mapping
 * and RFC 8878) and sharing no code with the programs: for peers that say what no honest one would.
 */
import { createCipheriv, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';

const HEADER_BYTES = 32;
const AT_KEY_ID = 4;
const AT_NONCE = 8;
const TAG_BYTES = 16;
const BLOCK_BYTES = 128 * 1024;
const RAW = 0;
const RLE = 1;

/** The HChaCha20 function (draft-irtf-cfrg-xchacha): a key for ChaCha20 from a key and 16 bytes of nonce. */
function hchacha20(key, nonce) {
  const state = new Uint32Array(16);
  state.set([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574]);
  for (let i = 0; i < 8; i++) state[4 + i] = key.readUInt32LE(4 * i);
  for (let i = 0; i < 4; i++) state[12 + i] = nonce.readUInt32LE(4 * i);
  const turn = (at, by) => {
    state[at] = (state[at] << by) | (state[at] >>> (32 - by));
  };
  const quarter = (a, b, c, d) => {
    for (const [x, y, z, by] of [[a, b, d, 16], [c, d, b, 12], [a, b, d, 8], [c, d, b, 7]]) {
      state[x] += state[y];
      state[z] ^= state[x];
      turn(z, by);
    }
  };
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < 4; i++) quarter(i, 4 + i, 8 + i, 12 + i);
    for (let i = 0; i < 4; i++) quarter(i, 4 + ((i + 1) % 4), 8 + ((i + 2) % 4), 12 + ((i + 3) % 4));
  }
  const made = Buffer.alloc(32);
  for (let i = 0; i < 4; i++) {
    made.writeUInt32LE(state[i], 4 * i);
    made.writeUInt32LE(state[12 + i], 16 + 4 * i);
  }
  return made;
}

/** One zstd frame of blocks that are not compressed, or of one byte `times` over. */
export function zstdFrame({ bytes, zeros = 0 }) {
  const length = bytes?.length ?? zeros;
  const head = Buffer.alloc(9);
  head.set([0x28, 0xb5, 0x2f, 0xfd, 0xa0]); // single segment, four bytes of content size
  head.writeUInt32LE(length, 5);
  const parts = [head];
  for (let at = 0; at === 0 || at < length; at += BLOCK_BYTES) {
    const size = Math.min(BLOCK_BYTES, length - at);
    const isLast = at + BLOCK_BYTES >= length;
    const block = Buffer.alloc(3);
    block.writeUIntLE(size * 8 + (bytes ? RAW : RLE) * 2 + (isLast ? 1 : 0), 0, 3);
    parts.push(block, bytes ? bytes.subarray(at, at + size) : Buffer.alloc(1));
  }
  return Buffer.concat(parts);
}

/** A request packet. `claimed` is the length of the plain text that it says. */
export function sealRequest({ key, keyId, frame, claimed }) {
  const header = Buffer.alloc(HEADER_BYTES);
  header.set([0x4e, 0x4a, 1, 1]);
  keyId.copy(header, AT_KEY_ID);
  randomBytes(HEADER_BYTES - AT_NONCE).copy(header, AT_NONCE);
  const nonce = header.subarray(AT_NONCE);
  const cipher = createCipheriv(
    'chacha20-poly1305',
    hchacha20(key, nonce),
    Buffer.concat([Buffer.alloc(4), nonce.subarray(16)]),
    { authTagLength: TAG_BYTES },
  );
  const length = Buffer.alloc(4);
  length.writeUInt32LE(claimed);
  cipher.setAAD(header);
  return Buffer.concat([header, cipher.update(length), cipher.update(frame), cipher.final(), cipher.getAuthTag()]);
}

/** Seals plain text as an agent would. */
export function sealPlain(key, keyId, bytes) {
  return sealRequest({ key, keyId, frame: zstdFrame({ bytes }), claimed: bytes.length });
}

export const keyIdOf = (packet) => Buffer.from(packet.subarray(AT_KEY_ID, AT_NONCE));
export const readKey = (file) => Buffer.from(fs.readFileSync(file, 'utf8').trim(), 'hex');

/** What both ends of an SP connection begin with; a requester's. */
export const SP_REQ = Buffer.from([0, 0x53, 0x50, 0, 0, 0x30, 0, 0]);
const SP_HANDSHAKE_BYTES = 8;
export const REQUEST_ID_BYTES = 4;

export function spFrame(body) {
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(BigInt(body.length));
  return Buffer.concat([length, body]);
}

/** A message of a requester: an id with its highest bit set, then the packet. */
export function spRequest(packet, id = 0x80000001) {
  const head = Buffer.alloc(REQUEST_ID_BYTES);
  head.writeUInt32BE(id);
  return spFrame(Buffer.concat([head, packet]));
}

/** Takes a stream apart into its messages, the handshake left out. */
export class SpReader {
  #rest = Buffer.alloc(0);
  #begun = false;

  /** @param {Buffer} chunk @returns {Buffer[]} bodies that are whole now */
  take(chunk) {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    if (!this.#begun) {
      if (this.#rest.length < SP_HANDSHAKE_BYTES) return [];
      this.#begun = true;
      this.#rest = this.#rest.subarray(SP_HANDSHAKE_BYTES);
    }
    const bodies = [];
    for (;;) {
      const length = this.#rest.length < 8 ? Infinity : Number(this.#rest.readBigUInt64BE());
      if (this.#rest.length < 8 + length) return bodies;
      bodies.push(this.#rest.subarray(8, 8 + length));
      this.#rest = this.#rest.subarray(8 + length);
    }
  }
}

/**
 * Stands between an agent and its collector, message by message. Keeps every request; `onReply` may change what is answered:
 * it gets a whole message and returns those that are sent in its place.
 */
export class SpProxy {
  /** @type {Buffer[]} request packets, without their ids */
  requests = [];
  /** @type {(body: Buffer) => Buffer[]} */
  onReply = (body) => [body];
  #sockets = new Set();
  #server;

  /** @param {number} target port on loopback @returns {Promise<number>} its own */
  async start(target) {
    this.#server = net.createServer((agent) => this.#join(agent, net.connect(target, '127.0.0.1')));
    await new Promise((resolve) => {
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    return this.#server.address().port;
  }

  #join(agent, collector) {
    const requests = new SpReader();
    const replies = new SpReader();
    let handshake = SP_HANDSHAKE_BYTES;
    for (const [socket, other] of [
      [agent, collector],
      [collector, agent],
    ]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    agent.on('data', (chunk) => {
      for (const body of requests.take(chunk)) this.requests.push(Buffer.from(body.subarray(REQUEST_ID_BYTES)));
      collector.write(chunk);
    });
    collector.on('data', (chunk) => {
      if (handshake > 0) agent.write(chunk.subarray(0, handshake));
      handshake -= Math.min(handshake, chunk.length);
      for (const body of replies.take(chunk)) for (const sent of this.onReply(body)) agent.write(spFrame(sent));
    });
  }

  /** Breaks every connection. */
  cut() {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async stop() {
    this.cut();
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }
}
