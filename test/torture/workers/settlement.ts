import { ENGINE_ENTITIES } from '../../../schema/index.ts';
import { dayOf } from '../../../src/reconciliation/statement/day-window.ts';
import { defineStatement, jsonLines } from '../../../src/index.ts';
import { reconcileStatement } from '../../../src/reconciliation/statement/reconcile-statement.ts';
import { mysqlStatementStore } from '../../../src/store/mysql-reconciliation-break-store.ts';
import { mysqlOurRows } from '../../../src/store/mysql-settlement-rows.ts';
import { openOrm } from '../../../src/store/open-orm.ts';
import type { Violation } from '../judge.ts';
import { TortureOrderEntity } from '../torture-tables.ts';
import { CHARGE } from './charge-listener.ts';

/** A line of the bank's own ledger. */
export interface LedgerLine {
  readonly reference: string;
  readonly amountMinor: number;
  readonly status: 'SUCCESS' | 'FAIL';
}

/** What reconciliation found between the bank's ledger and our rows, as they are and with differences put into the ledger. */
export interface Settlement {
  readonly breaks: number;
  readonly seededBreaks: number;
  readonly seededBreaksFound: number;
}

const HOUR_MS = 3_600_000;

/** Compares the ledger with the rows of a run that is over. */
export async function settle(
  mysqlUrl: string,
  ledger: readonly LedgerLine[],
  signal: AbortSignal,
): Promise<Settlement & { readonly violations: readonly Violation[] }> {
  const orm = await openOrm({ url: mysqlUrl, entities: [...ENGINE_ENTITIES, TortureOrderEntity] });
  try {
    // A day that ends half a day from now: a run never goes across its end.
    const window = { timeZone: 'UTC', cutOff: new Date(Date.now() + 12 * HOUR_MS).toISOString().slice(11, 16) };
    const day = dayOf(new Date(), window);
    const context = { store: mysqlStatementStore(orm), ours: mysqlOurRows(orm) };
    const compare = async (name: string, lines: readonly LedgerLine[]): Promise<string[]> => {
      const statement = defineStatement({
        name,
        call: CHARGE,
        format: jsonLines(),
        window,
        line: (fields) => {
          const { reference, amountMinor, status } = fields as { reference: string; amountMinor: string; status: LedgerLine['status'] };
          return { reference, amountMinor: BigInt(amountMinor), currency: 'EUR', status };
        },
        ours: {
          entity: TortureOrderEntity,
          reference: 'id',
          amountMinor: 'amount',
          currency: 'currency',
          writtenAt: 'createdAt',
          where: { isCharged: true },
        },
      });
      const { runId } = await reconcileStatement(statement, { day, bytes: bytesOf(lines), source: name }, context, signal);
      const found = await context.store.list({ run: runId, state: 'OPEN' }, { after: 0, limit: 100 });
      return found.map(({ kind, reference }) => `${kind} ${reference}`).sort();
    };
    const asItIs = await compare('bank', ledger);
    const { lines, breaks } = seeded(ledger);
    const found = await compare('bank-with-breaks', lines);
    const missed = breaks.filter((expected) => !found.includes(expected));
    return {
      breaks: asItIs.length,
      seededBreaks: breaks.length,
      seededBreaksFound: breaks.length - missed.length,
      violations: [
        ...broken(asItIs),
        // What is there anyhow is found in both.
        ...broken([...missed, ...found.filter((line) => !breaks.includes(line) && !asItIs.includes(line))]),
      ],
    };
  } finally {
    await orm.close(true);
  }
}

const broken = (examples: readonly string[]): readonly Violation[] =>
  examples.length === 0
    ? []
    : [{ invariant: 'reconciliation finds what differs and nothing else', count: examples.length, example: examples[0]! }];

async function* bytesOf(lines: readonly LedgerLine[]): AsyncGenerator<Uint8Array> {
  for (const line of lines) yield Buffer.from(`${JSON.stringify(line)}\n`);
}

/** The ledger with two breaks of every kind in it. */
export function seeded(ledger: readonly LedgerLine[]): { readonly lines: readonly LedgerLine[]; readonly breaks: readonly string[] } {
  const booked = ledger.filter(({ status }) => status === 'SUCCESS').slice(0, 8);
  const at = (place: number): LedgerLine[] => booked.slice(place * 2, place * 2 + 2);
  const [gone, dearer, refused, doubled] = [at(0), at(1), at(2), at(3)];
  const strangers: LedgerLine[] = ['stranger-1', 'stranger-2'].map((reference) => ({ reference, amountMinor: 1, status: 'SUCCESS' }));
  const lines = ledger
    .filter((line) => !gone.includes(line))
    .map((line) => (dearer.includes(line) ? { ...line, amountMinor: line.amountMinor + 1 } : line))
    .map((line): LedgerLine => (refused.includes(line) ? { ...line, status: 'FAIL' } : line));
  const name = (kind: string, of: readonly LedgerLine[]): string[] => of.map(({ reference }) => `${kind} ${reference}`);
  return {
    lines: [...lines, ...doubled, ...strangers],
    breaks: [
      ...name('MISSING_THERE', gone),
      ...name('AMOUNT_DIFFERS', dearer),
      ...name('STATUS_DIFFERS', refused),
      ...name('DUPLICATE_THERE', doubled),
      ...name('MISSING_HERE', strangers),
    ],
  };
}
