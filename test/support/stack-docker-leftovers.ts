import { hostname } from 'node:os';
import { getContainerRuntimeClient } from 'testcontainers';
import { isAlive, ownIdentity } from '../../src/cli/stack/process-identity.ts';

/** Which stack a container belongs to. */
export const STACK_LABEL = 'org.checkback.test-stack';
const OWNER = { host: 'org.checkback.owner-host', pid: 'org.checkback.owner-pid', startTime: 'org.checkback.owner-start-time' };

/** Labels that name this very process as the owner. */
export function ownerLabels(): Record<string, string> {
  const { pid, startTime } = ownIdentity();
  return { [OWNER.host]: hostname(), [OWNER.pid]: String(pid), [OWNER.startTime]: startTime };
}

/** Removes every container of one stack with its volumes, running or not. Idempotent. Gives their names. */
export function removeContainersOf(stackId: string): Promise<string[]> {
  return remove(`${STACK_LABEL}=${stackId}`, () => true);
}

/**
 * Removes what runs left behind whose process is gone. Runs that are still going, on this machine or on another one that
 * uses the same Docker, keep theirs. Gives the names of what it removed.
 */
export function removeAbandonedContainers(): Promise<string[]> {
  return remove(STACK_LABEL, (labels) => {
    const { [OWNER.host]: host, [OWNER.pid]: pid, [OWNER.startTime]: startTime } = labels;
    return host === hostname() && startTime !== undefined && !isAlive({ pid: Number(pid), startTime });
  });
}

async function remove(label: string, isWanted: (labels: Record<string, string>) => boolean): Promise<string[]> {
  const { dockerode } = (await getContainerRuntimeClient()).container;
  const found = await dockerode.listContainers({ all: true, filters: { label: [label] } });
  const wanted = found.filter(({ Labels }) => isWanted(Labels));
  await Promise.all(
    wanted.map(async ({ Id }) => {
      await dockerode
        .getContainer(Id)
        .remove({ force: true, v: true })
        .catch((error: { statusCode?: number }) => {
          // Gone already, or somebody else is at it.
          if (error.statusCode !== 404 && error.statusCode !== 409) throw error;
        });
    }),
  );
  return wanted.map(({ Names, Id }) => Names[0]?.replace(/^\//, '') ?? Id);
}
