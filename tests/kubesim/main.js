#!/usr/bin/env node
/** The API server stand-in as a program; see --help. */
import { Kubesim } from './kubesim.js';
import { HELP, parseOptions } from './options.js';

async function main() {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(HELP);
    return;
  }
  const kubesim = new Kubesim(options);
  process.stdout.write(`${JSON.stringify(await kubesim.start())}\n`);
  const stop = () => {
    kubesim.stop().then(() => process.exit(0));
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}

main().catch((error) => {
  process.stderr.write(`kubesim: ${error.message}\n`);
  process.exit(1);
});
