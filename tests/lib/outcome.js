/** What came of a session, in the form of `deploy/demo.sh --json`. */
import { namesOf } from './lab.js';

const byTime = (a, b) =>
  Date.parse(a.finishedAt) - Date.parse(b.finishedAt) ||
  `${a.namespace}/${a.pod}/${a.container}`.localeCompare(`${b.namespace}/${b.pod}/${b.container}`) ||
  a.attempt - b.attempt;

/** A log file belongs to the message that names its pod; its name is NAMESPACE_POD_CONTAINER_ATTEMPT.log. */
function withFiles(messages) {
  const told = messages.filter(({ msgtype }) => msgtype !== 'file').map(({ channel, text }) => ({ channel, text }));
  for (const { channel, file } of messages.filter(({ msgtype }) => msgtype === 'file')) {
    const [, pod] = file.name.split('_');
    const owner = told.find((message) => message.channel === channel && message.text.includes(pod));
    if (owner) owner.files = [...(owner.files ?? []), file.name];
    else told.push({ channel, text: file.name });
  }
  return told;
}

/** @param {import('./lab.js').Lab} lab */
export async function crashesOf(lab) {
  const listed = await lab.crashes();
  const crashes = await Promise.all(listed.map(({ id }) => lab.crash(id)));
  return crashes
    .map(({ namespace, pod, container, containerId, attempt, exitCode, reason, finishedAt, log }) => ({
      ...{ namespace, pod, container, containerId, attempt, exitCode, reason },
      finishedAt: finishedAt?.replace('.000Z', 'Z') ?? null, // whole seconds, as Kubernetes writes them
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

/**
 * Of each Service that there was: when it was not available (by ready) and why, the share of the time in which it was, and of how
 * much of the time that is known. @param {import('./lab.js').Lab} lab
 */
export async function servicesOf(lab) {
  const { endTime } = await lab.control('state');
  const range = `from=${encodeURIComponent(lab.startTime)}&to=${encodeURIComponent(new Date(endTime).toISOString())}`;
  const services = [];
  for (const { namespace, name } of namesOf(lab.options.recording, 'services')) {
    const path = `/api/v1/services/${namespace}/${name}`;
    const [sla, outages] = await Promise.all([lab.api(`${path}/sla?${range}`), lab.api(`${path}/outages?${range}`)]);
    if (sla.status !== 200 || outages.status !== 200) continue; // it was never followed
    services.push({
      ...{ namespace, service: name },
      outages: outages.json.outages.map(({ from, until, seconds, cause }) => ({ from, to: until, seconds, cause })),
      availability: sla.json.total.availability,
      coverage: sla.json.total.coverage,
    });
  }
  return services;
}
