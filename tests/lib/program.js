/** What both simulators do as programs: options, one line when ready, a clean end on SIGTERM. */

/**
 * @param {string} name  for messages
 * @param {string} help
 * @param {(args: string[]) => {help?: boolean}} parseOptions
 * @param {(options: any) => {start: () => Promise<object>, stop: () => Promise<void>}} make
 */
export async function runProgram(name, help, parseOptions, make) {
  try {
    const options = parseOptions(process.argv.slice(2));
    if (options.help) {
      process.stdout.write(help);
      return;
    }
    const simulator = make(options);
    const stop = () => {
      simulator.stop().then(() => process.exit(0));
    };
    process.once('SIGTERM', stop);
    process.once('SIGINT', stop);
    process.stdout.write(`${JSON.stringify(await simulator.start())}\n`);
  } catch (error) {
    process.stderr.write(`${name}: ${error.message}\n`);
    process.exit(1);
  }
}
