import type { GivenAddresses } from './given-stack.ts';
import type { DockerImages } from './docker-stack.ts';
import type { StackGroup, StackTopic } from './native-stack.ts';
import type { ProcessIdentity } from './process-identity.ts';
import type { StackProfile } from './rocketmq-profile.ts';
import type { StackState } from './stack-state.ts';

/** What `up` asks of the supervisor, passed as one JSON argument. */
export type SupervisorJob = {
  readonly cacheDir: string;
  readonly name: string;
  readonly kind: 'auto' | 'docker' | 'native';
  readonly profile: StackProfile;
  readonly topics: readonly StackTopic[];
  readonly groups: readonly StackGroup[];
  readonly keepData: boolean;
  readonly transactionTimeOutMs?: number | undefined;
  readonly given?: GivenAddresses | undefined;
  readonly images?: DockerImages | undefined;
  /** The stack ends when this process does. */
  readonly owner?: ProcessIdentity | undefined;
  /** The `up` that holds the lock: given back for it, should it die. */
  readonly launcher: ProcessIdentity;
};

/** From the supervisor to `up`. */
export type SupervisorMessage =
  | { readonly type: 'progress'; readonly line: string }
  | { readonly type: 'ready'; readonly state: StackState }
  | { readonly type: 'failed'; readonly message: string };

/** From `up` to the supervisor: it is yours now, live on without me. */
export type HandOver = { readonly type: 'hand-over' };
