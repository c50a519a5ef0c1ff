/** What came of a session, in the form of `deploy/demo.sh --json`. */

const byTime = (a, b) =>
  Date.parse(a.finishedAt) - Date.parse(b.finishedAt) ||
  `${a.namespace}/${a.pod}/${a.container}`.localeCompare(`${b.namespace}/${b.pod}/${b.container}`) ||
  a.attempt - b.attempt;

/** A file belongs to the message before it on its channel. */
function withFiles(messages) {
  const told = [];
  const last = new Map(); // channel: message
  for (const { channel, msgtype, text, file } of messages) {
    if (msgtype === 'file' && last.has(channel)) {
      last.get(channel).files = [...(last.get(channel).files ?? []), file.name];
    } else {
      const message = { channel, text: msgtype === 'file' ? file.name : text };
      told.push(message);
      last.set(channel, message);
    }
  }
  return told;
}

/** @param {import('./lab.js').Lab} lab */
export async function crashesOf(lab) {
  const listed = await lab.crashes();
  const crashes = await Promise.all(listed.map(({ id }) => lab.crash(id)));
  return crashes
    .map(({ namespace, pod, container, containerId, attempt, exitCode, reason, finishedAt, log }) => ({
      ...{ namespace, pod, container, containerId, attempt, exitCode, reason, finishedAt },
      log: { lines: log.lines, text: log.text },
    }))
    .sort(byTime);
}

/** @param {import('./lab.js').Lab} lab */
export async function incidentsOf(lab) {
  return (await lab.incidents())
    .sort((a, b) => a.id - b.id)
    .map(({ kind, namespace, workload, pod, container, state, count, suppressed }) => ({
      ...{ kind, namespace, workload, pod, container, state, count },
      suppressed: suppressed || null,
    }));
}

export async function lostCrashesOf(lab) {
  return (await lab.incidents()).reduce((sum, { lost }) => sum + lost, 0);
}

/** @param {import('./lab.js').Lab} lab */
export async function messagesOf(lab) {
  return withFiles(await lab.messages());
}

/** @param {import('./lab.js').Lab} lab */
export async function outcome(lab) {
  return {
    crashes: await crashesOf(lab),
    lostCrashes: await lostCrashesOf(lab),
    incidents: await incidentsOf(lab),
    messages: await messagesOf(lab),
  };
}
