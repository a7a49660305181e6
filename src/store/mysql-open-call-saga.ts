import type { Transaction } from './statements.ts';

/** What follows saga and step in the key of a step's call (`stepKey`). */
const REST = /^(?::compensation)?(?::\d+)?$/;
/** A key is its saga's id and one to three words more. */
const MAX_WORDS = 3;

/** Which of these idempotency keys are those of saga steps; others may look like them. */
export const sagaKeysAmong = async (tx: Transaction, keys: readonly string[]): Promise<ReadonlySet<string>> => {
  const candidates = new Map(keys.map((key) => [key, sagaIdsIn(key)]));
  const ids = [...new Set([...candidates.values()].flat())];
  if (ids.length === 0) return new Set();
  const rows = await tx.rows(`select saga_id, name from saga_step where saga_id in (${ids.map(() => '?').join(', ')})`, ids);
  const steps = new Set(rows.map((row) => `${String(row['saga_id'])}:${String(row['name'])}`));
  return new Set(keys.filter((key) => [...steps].some((step) => key.startsWith(step) && REST.test(key.slice(step.length)))));
};

const sagaIdsIn = (key: string): string[] => {
  const words = key.split(':');
  return Array.from({ length: Math.min(MAX_WORDS, words.length - 1) }, (_, cut) => words.slice(0, -(cut + 1)).join(':'));
};
