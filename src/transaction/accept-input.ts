import { InvalidMessageError } from '../errors.ts';
import type { TransactionListener } from './transaction-listener.ts';

/** What the listener's schema makes of an input. Rejects with `InvalidMessageError` naming what is wrong with it. */
export async function acceptInput<Input>(listener: TransactionListener<Input>, input: Input): Promise<Input> {
  if (listener.schema === undefined) return input;
  const result = await listener.schema['~standard'].validate(input);
  if (result.issues === undefined) return result.value;
  const issues = result.issues.map(
    ({ path, message }) =>
      `${(path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.') || 'input'}: ${message}`,
  );
  throw new InvalidMessageError(`input of listener "${listener.name}" is refused: ${issues.join('; ')}`);
}
