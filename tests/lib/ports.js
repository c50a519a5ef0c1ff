/** Ports on loopback that are free, below those that the kernel gives to outgoing connections. */
import net from 'node:net';

const LOWEST = 20_000;
const COUNT = 12_000;
const given = new Set();

const isFree = (port) =>
  new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });

/** @returns {Promise<number>} */
export async function freePort() {
  for (let tries = 0; tries < 1000; tries++) {
    const port = LOWEST + Math.floor(Math.random() * COUNT);
    if (!given.has(port) && (await isFree(port))) {
      given.add(port);
      return port;
    }
  }
  throw new Error('no free port on 127.0.0.1');
}
