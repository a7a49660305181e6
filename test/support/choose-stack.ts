import { messageOf } from '../../src/shared/error-message.ts';
import { givenAddresses } from '../../src/cli/stack/given-stack.ts';
import { type OpenStackOptions, openStack } from '../../src/cli/stack/open-stack.ts';
import { WHAT_TO_INSTALL, findNativeTools, whyNoNativeStack } from '../../src/cli/stack/prerequisites.ts';
import type { Stack } from '../../src/cli/stack/stack.ts';
import { type DockerTestImages, ensureDockerImages, startDockerStackForTests, whyNoDockerForTests } from './stack-docker.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** `CHECKBACK_STACK`: which stack the tests insist on. */
function wantedStack(env: Environment): 'auto' | 'docker' | 'native' {
  const wanted = env['CHECKBACK_STACK']?.trim() || 'auto';
  if (wanted === 'auto' || wanted === 'docker' || wanted === 'native') return wanted;
  throw new RangeError(`CHECKBACK_STACK must be docker or native, got ${JSON.stringify(wanted)}`);
}

export const dockerImages = (env: Environment): DockerTestImages => ({
  rocketmq: env['CHECKBACK_ROCKETMQ_IMAGE'],
  mysql: env['CHECKBACK_MYSQL_IMAGE'],
});

/** Given by the environment, or else Docker, or else native, unless CHECKBACK_STACK names one. */
export async function startChosenStack(options: OpenStackOptions, env: Environment): Promise<Stack> {
  const { given, images, signal, onProgress } = options;
  const wanted = wantedStack(env);
  if (wanted === 'docker') return startDockerStackForTests({ images, signal, onProgress });
  if (wanted === 'native') return openStack({ ...options, kind: 'native' });
  if (given) return openStack(options);
  const noDocker = await whyNoUsableDocker(images, onProgress);
  if (noDocker === undefined) return startDockerStackForTests({ images, signal, onProgress });
  onProgress?.(`${noDocker}: starting the native stack`);
  return openStack({ ...options, kind: 'native' });
}

/**
 * Why the tests that need a real broker and database cannot run on this machine, in one sentence; `undefined` when they
 * can, and when the environment insists on a stack: what is asked for and missing is a failure.
 */
export async function whyNoStack(cacheDir: string, env: Environment): Promise<string | undefined> {
  if (wantedStack(env) !== 'auto' || givenAddresses(env) !== undefined) return undefined;
  const noNative = whyNoNativeStack(await findNativeTools(cacheDir));
  if (noNative === undefined) return undefined;
  const noDocker = await whyNoUsableDocker(dockerImages(env));
  return noDocker === undefined ? undefined : `${noDocker}, and ${noNative}; ${WHAT_TO_INSTALL}`;
}

async function whyNoUsableDocker(images: DockerTestImages | undefined, onProgress?: (line: string) => void): Promise<string | undefined> {
  return (await whyNoDockerForTests()) ?? (await ensureDockerImages(images, onProgress).then(() => undefined, messageOf));
}
