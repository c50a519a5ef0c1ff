/** The kubelet's log files as a person reads them: what agent/crash/log.h promises, worked out a second time. */

/** @param {Buffer | string} bytes of N.log @returns {string} lines ended by "\n"; stderr marked */
export function readCri(bytes) {
  const open = new Map(); // stream: parts of its line so far
  let text = '';
  const flush = (stream, message) => {
    text += `${stream === 'stderr' ? '[stderr] ' : ''}${message}\n`;
  };
  for (const line of bytes.toString('utf8').split('\n')) {
    const match = /^\S+ (stdout|stderr) ([PF]\S*)(?: (.*))?$/s.exec(line);
    if (!match) continue;
    const [, stream, tag, message = ''] = match;
    const whole = (open.get(stream) ?? '') + message;
    if (tag.startsWith('P')) open.set(stream, whole);
    else {
      open.delete(stream);
      flush(stream, whole);
    }
  }
  for (const [stream, message] of open) flush(stream, message);
  return text;
}
