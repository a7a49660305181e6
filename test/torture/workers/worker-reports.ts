/** A line of a worker's report. */
export type WorkerReport =
  | { readonly kind: 'ready' }
  /** It could not start yet and tries again. */
  | { readonly kind: 'waiting'; readonly message: string }
  | { readonly kind: 'unhandled'; readonly message: string };

/** What a worker process is told at its start, as JSON in its first argument. */
export interface WorkerSettings {
  readonly name: string;
  readonly endpoints: string;
  readonly mysqlUrl: string;
  /** Where the bank is. */
  readonly bank: string;
  readonly reportFile: string;
  /** Name of the unsafe variant it is built with. */
  readonly unsafe: string | undefined;
  readonly isSteady: boolean;
}
