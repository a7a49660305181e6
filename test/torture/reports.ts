import type { Resolution } from '../../src/index.ts';

/** A line of a producer's report, written before it goes on: what was said stays said when it is killed a moment later. */
export type Report =
  | { readonly kind: 'ready' | 'drained' }
  /** It could not start yet and tries again. */
  | { readonly kind: 'waiting'; readonly message: string }
  | { readonly kind: 'started'; readonly attemptId: string }
  | { readonly kind: 'resolved'; readonly attemptId: string; readonly transactionId: string }
  | { readonly kind: 'rejected'; readonly attemptId: string; readonly code: string; readonly message: string }
  /** No further attempt at this order. */
  | { readonly kind: 'finished'; readonly orderId: string }
  /** A check-back's answer is about to leave. */
  | { readonly kind: 'answered'; readonly transactionId: string; readonly resolution: Resolution; readonly round: number }
  /** An END is about to leave. */
  | { readonly kind: 'ending'; readonly transactionId: string; readonly resolution: 'COMMIT' | 'ROLLBACK' }
  | { readonly kind: 'unhandled'; readonly message: string };

/** What a producer process is told at its start, as JSON in its first argument. */
export interface ProducerSettings {
  readonly name: string;
  /** Which service it is. The bystander shares the topics, publishes nothing and owns nothing. */
  readonly owner: string;
  readonly endpoints: string;
  readonly mysqlUrl: string;
  readonly reportFile: string;
  readonly seed: number;
  readonly concurrency: number;
  /** Name of the unsafe variant it is built with. */
  readonly unsafe: string | undefined;
  /** Name of the unsafe variant whose workload it runs, safe or not. */
  readonly workload: string | undefined;
  readonly isSteady: boolean;
}

/** A line on a producer's standard input. End of input: finish what is running and exit. */
export interface ProducerOrders {
  readonly numbers: readonly number[];
}
