import type { RocketmqAdmin } from './rocketmq-admin.ts';

/** Where a stack came from. `given`: named by the environment, not ours to start or end. */
export type StackKind = 'given' | 'docker' | 'native';

/** A usable stack, whatever it runs on. */
export type Stack = {
  readonly kind: StackKind;
  /** gRPC proxy, "host:port". */
  readonly endpoints: string;
  readonly mysqlUrl: string;
  /** "host:port" of the name server; `undefined` when a given stack did not name one: nothing can be created then. */
  readonly namesrvAddress: string | undefined;
  /** Ends what was started for it. Idempotent. */
  close(): Promise<void>;
};

/** `Stack` with an administrator. */
export type AdministeredStack = Stack & { readonly admin: RocketmqAdmin };
