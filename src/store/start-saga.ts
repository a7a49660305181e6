import type { EntityManager } from '@mikro-orm/core';
import { InvalidMessageError, SagaConflictError } from '../errors.ts';
import type { Saga } from '../saga/define-saga.ts';
import type { ListenerMessage } from '../worker/message-listener.ts';
import { statementsOf } from './saga-rows.ts';

export interface SagaStart<Input> {
  /** One saga for ever, whatever it is about: prefix it with its subject (`booking-4711`). 1 to 64 visible ASCII characters. */
  readonly id: string;
  readonly input: Input;
  readonly correlationId: string;
  /** W3C trace context that its steps belong to, as a message carries it; anything else is left out. Default: none. */
  readonly traceparent?: string | undefined;
}

/**
 * Starts a saga in the caller's transaction: it exists if that commits, and a runner takes it up then. Idempotent: `false`
 * when this saga was started with this input before. Rejects with `SagaConflictError` when the id has another saga
 * or input, and with `InvalidMessageError` when the schema refuses the input or it is not JSON of at most 1 MiB; roll back then.
 */
export async function startSaga<Input>(em: EntityManager, saga: Saga<Input, unknown>, start: SagaStart<Input>): Promise<boolean> {
  const { id, correlationId } = start;
  const of = `saga "${saga.name}" ${JSON.stringify(id)}`;
  if (!/^[\x21-\x7e]{1,64}$/.test(id)) throw new InvalidMessageError(`${of}: an id is 1 to 64 visible ASCII characters`);
  if (typeof correlationId !== 'string' || correlationId === '' || correlationId.length > 128)
    throw new InvalidMessageError(`${of}: its correlation id must be 1 to 128 characters`);
  if (saga.steps.length === 0) throw new InvalidMessageError(`${of}: the saga has no steps`);
  const input = canonicalJson(await accepted(saga, start.input, of), of);
  const db = statementsOf(em);
  const inserted = await db.run(
    `insert ignore into saga_instance (id, saga, version, fingerprint, input, correlation_id, traceparent, next_run_at, created_at, updated_at)
     values (?, ?, ?, ?, ?, ?, ?, utc_timestamp(3), utc_timestamp(3), utc_timestamp(3))`,
    [id, saga.name, saga.version, saga.fingerprint, input, correlationId, traceOf(start.traceparent)],
  );
  if (inserted > 0) return true;
  // Shared, as the lock the refused insert left: two deliveries at once that both asked for more would be a deadlock.
  const [row] = await db.rows('select saga, input from saga_instance where id = ? lock in share mode', [id]);
  if (row?.['saga'] === saga.name && row['input'] === input) return false;
  const other = row?.['saga'] === saga.name ? 'with another input' : `by saga "${String(row?.['saga'])}"`;
  throw new SagaConflictError(`${of}: the id is taken ${other}`);
}

/**
 * The `handle` of a message listener that starts a saga with each message, in the transaction that remembers the message.
 * `start` is pure; the saga's id must be the same for every delivery of the same order.
 */
export const startingSaga =
  <Payload, Input>(
    saga: Saga<Input, unknown>,
    start: (message: ListenerMessage<Payload>) => { readonly id: string; readonly input: Input },
  ) =>
  async (em: EntityManager, message: ListenerMessage<Payload>): Promise<void> => {
    const { correlationId, properties } = message;
    await startSaga(em, saga, { correlationId, traceparent: properties['traceparent'], ...start(message) });
  };

/** A trace that cannot be kept is no reason not to start. */
const traceOf = (traceparent: string | undefined): string | null =>
  traceparent !== undefined && /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/.test(traceparent) ? traceparent : null;

async function accepted<Input>(saga: Saga<Input, unknown>, input: Input, of: string): Promise<unknown> {
  if (saga.input === undefined) return input;
  const result = await saga.input['~standard'].validate(input);
  if (result.issues === undefined) return result.value;
  const paths = result.issues
    .slice(0, 5)
    .map(({ path = [] }) => path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.'));
  throw new InvalidMessageError(`${of}: its input is refused at ${paths.map((path) => path || 'the root').join(', ')}`);
}

const MAX_INPUT_BYTES = 1024 * 1024;

/** Keys sorted, so that the same input is the same text. */
function canonicalJson(value: unknown, of: string): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw new InvalidMessageError(`${of}: its input cannot be written as JSON`, { cause });
  }
  if (text === undefined) throw new InvalidMessageError(`${of}: its input must be a JSON value, got ${typeof value}`);
  if (Buffer.byteLength(text) > MAX_INPUT_BYTES)
    throw new InvalidMessageError(`${of}: its input is longer than ${MAX_INPUT_BYTES} bytes of JSON`);
  return JSON.stringify(JSON.parse(text, (_key, part: unknown) => sorted(part)));
}

const sorted = (part: unknown): unknown =>
  typeof part === 'object' && part !== null && !Array.isArray(part)
    ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
    : part;
