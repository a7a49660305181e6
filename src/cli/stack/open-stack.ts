import type { GivenAddresses } from './given-stack.ts';
import { useGivenStack } from './given-stack.ts';
import { startDockerStack, whyNoDocker, type DockerImages } from './docker-stack.ts';
import { startNativeStack, type NativeStackOptions } from './native-stack.ts';
import { findNativeTools, whyNoNativeStack, WHAT_TO_INSTALL } from './prerequisites.ts';
import { StackError } from './stack-error.ts';
import type { Stack } from './stack.ts';

/** What to open. `auto` takes the first that works, in the order given, Docker, native. */
export type OpenStackOptions = NativeStackOptions & {
  readonly kind: 'auto' | 'docker' | 'native';
  /** From `givenAddresses(env)`. Used by `auto` only. */
  readonly given?: GivenAddresses | undefined;
  readonly images?: DockerImages | undefined;
  /** Name of the compose project, should it be Docker. */
  readonly composeProject: string;
};

/** A stack to work on, wherever it comes from. When none can be had: one `StackError` that says why and what to install. */
export async function openStack(options: OpenStackOptions): Promise<Stack> {
  const { kind, given, onProgress } = options;
  if (kind === 'auto' && given) {
    onProgress?.(`using the stack named by the environment (${given.endpoints})`);
    return useGivenStack(given, options.topics, options.groups);
  }
  if (kind === 'native') return native(options);
  const noDocker = await whyNoDocker();
  if (noDocker === undefined) return startDockerStack({ ...options, project: options.composeProject });
  if (kind === 'docker') throw new StackError(`the Docker stack cannot run here: ${noDocker}`);
  const noNative = whyNoNativeStack(await findNativeTools(options.cacheDir));
  if (noNative !== undefined) throw new StackError(`no stack can run here: ${noDocker}, and ${noNative}; ${WHAT_TO_INSTALL}`);
  onProgress?.(`${noDocker}: starting the native stack`);
  return native(options);
}

async function native(options: NativeStackOptions): Promise<Stack> {
  const { kind, endpoints, mysqlUrl, admin, close } = await startNativeStack(options);
  return { kind, endpoints, mysqlUrl, namesrvAddress: admin.namesrv, close };
}
