/** What a pod's status says about its containers' instances. */

const LISTS = ['initContainerStatuses', 'containerStatuses', 'ephemeralContainerStatuses'];

/** @returns {object[]} all container statuses of a pod, as in JSON */
export const statusesOf = (pod) => LISTS.flatMap((name) => pod.status?.[name] ?? []);

/** The attempt (N of N.log) of the instance in lastState. */
function lastAttempt({ restartCount, state = {}, lastState }) {
  const isNewest = state.waiting && !state.running && lastState.terminated.containerID;
  return isNewest ? restartCount : restartCount - 1;
}

/** The instances that a status tells of. @returns {{container: string, attempt: number, startedAt?: string}[]} */
export function instancesOf(pod) {
  return statusesOf(pod).flatMap((status) => {
    const { name: container, restartCount, state = {}, lastState = {} } = status;
    const found = [];
    const current = state.running ?? state.terminated;
    if (current) found.push({ container, attempt: restartCount, startedAt: current.startedAt });
    if (lastState.terminated) {
      found.push({ container, attempt: lastAttempt(status), startedAt: lastState.terminated.startedAt });
    }
    return found;
  });
}

/**
 * Which instance pods/log shows (the kubelet's validateContainerLogStatus).
 * @returns {{attempt: number, containerID: string} | {problem: string}}
 */
export function loggedInstance(pod, container, previous) {
  const status = statusesOf(pod).find(({ name }) => name === container);
  const where = `container "${container}" in pod "${pod.metadata.name}"`;
  if (!status) return { problem: `${where} is not available` };
  const { restartCount, state = {}, lastState = {}, containerID } = status;
  const dead = lastState.terminated?.containerID;
  if (previous) {
    if (!dead) return { problem: `previous terminated ${where} not found` };
    return { attempt: lastAttempt(status), containerID: dead };
  }
  if (state.running || state.terminated?.containerID) return { attempt: restartCount, containerID };
  if (dead) return { attempt: lastAttempt(status), containerID: dead };
  return { problem: `${where} is waiting to start: ${state.waiting?.reason ?? 'ContainerCreating'}` };
}
