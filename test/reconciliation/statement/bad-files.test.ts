import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { OrderEntity } from '../../../schema/index.ts';
import { StatementRefusedError } from '../../../src/errors.ts';
import { csv, defineStatement, fixedWidth, jsonLines, minorUnits, pages, type StatementPolicy } from '../../../src/index.ts';
import type { AnyStatement, StatementDefinition } from '../../../src/reconciliation/statement/define-statement.ts';
import { type ReadLine, readStatement, type ReadResult } from '../../../src/reconciliation/statement/read-statement.ts';

type Definition = Partial<StatementDefinition<{ id: string; amountMinor: bigint; currency: string; createdAt: Date }>>;

const COLUMNS = ['reference', 'amount', 'currency', 'status'];
const HEAD = 'reference,amount,currency,status\n';
const withTrailer = { startsWith: 'T', columns: ['kind', 'count', 'sum'] };
const readTrailer: NonNullable<Definition['trailer']> = ({ count, sum }) => ({ count: Number(count), sumMinor: BigInt(sum as string) });

const statement = (definition: Definition = {}, policy: Partial<StatementPolicy> = {}): AnyStatement =>
  defineStatement({
    name: 'bank',
    call: 'charge',
    format: csv({ columns: COLUMNS }),
    line: (fields) => ({
      reference: fields['reference'] as string,
      amountMinor: minorUnits(fields['amount'] as string, fields['currency'] as string),
      currency: fields['currency'] as string,
      status: fields['status'] as 'SUCCESS',
    }),
    ours: { entity: OrderEntity as never, reference: 'id', amountMinor: 'amountMinor', currency: 'currency', writtenAt: 'createdAt' },
    policy,
    ...definition,
  });

/** In pieces of every size up to the whole: where a chunk ends is nobody's business. */
async function* pieces(content: string | Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(content as string);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const read = async (of: AnyStatement, content: string | Uint8Array, size = 7): Promise<ReadResult & { kept: string[] }> => {
  const kept: ReadLine[] = [];
  const result = await readStatement(
    of,
    { bytes: pieces(content, size) },
    (lines) => void kept.push(...lines),
    new AbortController().signal,
  );
  return { ...result, kept: kept.map(({ line, reference, amountMinor }) => `${line} ${reference} ${amountMinor}`) };
};
const problems = async (of: AnyStatement, content: string | Uint8Array, size?: number): Promise<string[]> => {
  const error = await read(of, content, size).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof StatementRefusedError)) throw new Error(`expected a refusal, got ${String(error)}`);
  return error.problems.map(({ line, why }) => `${line}: ${why}`);
};

const GOOD = `${HEAD}a,1.00,EUR,SUCCESS\n"b",2.50,EUR,FAIL\r\n`;

describe('A statement', () => {
  it.each([1, 2, 3, 7, 64, 10_000])('is read the same in chunks of %i bytes', async (size) => {
    expect((await read(statement(), GOOD, size)).kept).toEqual(['2 a 100', '3 b 250']);
  });

  it('may begin with a byte order mark, and have newlines within quotes', async () => {
    expect((await read(statement(), `\ufeff${GOOD}`)).kept).toEqual(['2 a 100', '3 b 250']);
    const schema = z.object({ reference: z.string(), amount: z.string(), currency: z.string(), status: z.string(), note: z.string() });
    const noted = statement({ format: csv({ columns: [...COLUMNS, 'note'] }), schema: schema });
    expect((await read(noted, `${HEAD.trim()},note\na,1,EUR,SUCCESS,"two\nlines ""quoted"""\nb,2,EUR,FAIL,x\n`)).kept).toEqual([
      '3 a 100',
      '4 b 200',
    ]);
  });

  it('is known by the hash of its bytes', async () => {
    expect((await read(statement(), GOOD, 5)).sha256).toBe((await read(statement(), GOOD, 500)).sha256);
    expect((await read(statement(), GOOD)).sha256).not.toBe((await read(statement(), `${GOOD}c,1,EUR,FAIL\n`)).sha256);
  });
});

describe('A truncated statement', () => {
  it('is refused with the line it ends in', async () => {
    expect(await problems(statement(), `${GOOD}c,1.0`)).toEqual(['4: the file ends within it']);
    expect(await problems(statement(), `${GOOD}c,"1.0\n`)).toEqual(['4: the file ends within it']);
    expect(await problems(statement(), '')).toEqual(['1: there is no header: reference,amount,currency,status']);
  });

  it('keeps its whole lines when the policy says so', async () => {
    const keeping = statement({}, { truncated: 'keep' });
    expect(await read(keeping, `${GOOD}c,1.0`)).toMatchObject({ kept: ['2 a 100', '3 b 250'], truncatedAt: 4, lines: 2 });
    expect(await read(keeping, GOOD)).toMatchObject({ truncatedAt: undefined });
  });

  it('is found out by its trailer', async () => {
    const trailed = statement({ format: csv({ columns: COLUMNS, trailer: withTrailer }), trailer: readTrailer });
    expect((await read(trailed, `${GOOD}T,2,350\n`)).kept).toHaveLength(2);
    expect((await read(trailed, `${GOOD}T,2,350`)).kept).toHaveLength(2);
    expect(await problems(trailed, GOOD)).toEqual(['4: the file ends without its trailer']);
    expect(await problems(trailed, `${GOOD}c,1,EUR,FAIL`)).toEqual(['4: the file ends without its trailer']);
    expect(await problems(trailed, `${GOOD}T,3,350\n`)).toEqual(['4: the trailer says 3 lines, there are 2']);
    expect(await problems(trailed, `${GOOD}T,2,351\n`)).toEqual(['4: the trailer says a sum of 351, it is 350']);
    expect(await problems(trailed, `${GOOD}T,2,350\nc,1,EUR,FAIL\n`)).toEqual(['5: it comes after the trailer']);
  });

  it('never keeps half a line, even where that looks whole', async () => {
    const format = csv({ columns: ['reference', 'currency', 'status', 'amount'], header: false, trailer: withTrailer });
    const keeping = statement({ format, trailer: readTrailer }, { truncated: 'keep' });
    expect(await read(keeping, 'a,EUR,FAIL,1.00\nb,EUR,FAIL,12')).toMatchObject({ kept: ['1 a 100'], truncatedAt: 2 });
  });
});

describe('A statement in another encoding', () => {
  it.each([3, 1_000])('is refused with line and byte, in chunks of %i', async (size) => {
    const latin1 = Buffer.from(`${HEAD}a,1.00,EUR,SUCCESS\nMüller,1.00,EUR,SUCCESS\n`, 'latin1');
    expect(await problems(statement(), latin1, size)).toEqual(['3: byte 54 of the file: 0xfc is not utf-8']);
  });

  it('is refused when it is UTF-16', async () => {
    expect((await problems(statement(), Buffer.from(GOOD, 'utf16le')))[0]).toMatch(/^1: byte 2 of the file: a NUL: the file may be UTF-16/);
  });

  it('is read when that encoding is declared', async () => {
    const schema = z.object({
      reference: z.string(),
      amount: z.string(),
      currency: z.literal('Złoty').transform(() => 'PLN'),
      status: z.string(),
    });
    const declared = statement({ encoding: 'iso-8859-2', schema: schema });
    const bytes = Buffer.from(`${HEAD}a,1.00,Z?oty,SUCCESS\n`, 'latin1');
    bytes[bytes.indexOf('?')] = 0xb3;
    expect((await read(declared, bytes)).kept).toEqual(['2 a 100']);
    expect(() => statement({ encoding: 'utf-16le' })).toThrow('encoding "utf-16le" is not one that can be read line by line');
    expect(() => statement({ encoding: 'klingon' })).toThrow('encoding "klingon"');
  });
});

describe('Lines that are not as declared', () => {
  it('are told with their number and reason, the first twenty', async () => {
    const bad = `${HEAD}a,1.00,EUR,SUCCESS\nb,1.005,EUR,SUCCESS\nc,1.00,EUR\nd d,1,EUR,FAIL\ne,1,EUR,PAID\nf,1,eur,FAIL\n`;
    expect(await problems(statement(), bad)).toEqual([
      '3: "1.005" has 3 digits after the separator, EUR has 2',
      '4: it has 3 fields, not 4',
      '5: reference must be 1–128 printable ASCII characters without spaces, it is "d d"',
      '6: status must be SUCCESS, FAIL or PENDING, it is "PAID"',
      '7: "eur" is not a currency code such as EUR',
    ]);
    expect(await problems(statement(), HEAD + 'x\n'.repeat(1_000))).toHaveLength(20);
  });

  it('are told by the schema, promised or not', async () => {
    const schema = z.object({ reference: z.string().max(3), amount: z.string(), currency: z.string(), status: z.string() });
    expect(await problems(statement({ schema }), `${HEAD}long,1,EUR,FAIL\n`)).toEqual([
      '2: reference: Too big: expected string to have <=3 characters',
    ]);
    const slow = schema.refine(async ({ reference }) => reference !== 'b', 'b is not allowed');
    const asynchronously = { '~standard': { ...slow['~standard'], validate: async (value: unknown) => slow['~standard'].validate(value) } };
    expect(await problems(statement({ schema: asynchronously }), GOOD)).toEqual(['3: b is not allowed']);
  });

  it('are refused where quotes or lengths go wrong', async () => {
    expect((await problems(statement(), `${HEAD}a,1"0,EUR,FAIL\n`))[0]).toMatch(/^2: .*[Qq]uote/);
    expect((await problems(statement(), `${HEAD}"a"b,1,EUR,FAIL\n`))[0]).toMatch(/^2: .*[Qq]uote/);
    expect(await problems(statement({}, { maxLineBytes: 100 }), `${HEAD}${'a'.repeat(200)}`)).toEqual([
      '2: it is longer than 100 bytes: is this the declared format?',
    ]);
    expect(await problems(statement(), 'id,sum\n1,2\n')).toEqual(['1: the header is id sum, not reference amount currency status']);
  });

  it('are never floats', async () => {
    const floating = statement({
      line: () => ({ reference: 'a', amountMinor: 1.5, currency: 'EUR', status: 'FAIL' }),
    });
    expect(await problems(floating, `${HEAD}a,1,EUR,FAIL\n`)).toEqual(['2: amountMinor must be whole minor units, it is 1.5']);
  });
});

describe('fixedWidth', () => {
  const columns = { reference: [1, 5], amount: [6, 12], currency: [13, 15], status: [16, 22] } as const;
  const trailer = { startsWith: '9', columns: { count: [2, 4], sum: [5, 12] } } as const;
  const fixed = (policy: Partial<StatementPolicy> = {}): AnyStatement =>
    statement({ format: fixedWidth({ columns, length: 22, trailer }), trailer: readTrailer }, policy);
  const TAIL = `9002${'350'.padStart(8, '0')}${' '.repeat(10)}\n`;

  it('reads columns by their places', async () => {
    expect((await read(fixed(), `a       1.00EURSUCCESS\r\nb       2.50EURFAIL   \n${TAIL}`)).kept).toEqual(['1 a 100', '2 b 250']);
  });

  it('refuses a line of another length, and an end without its trailer', async () => {
    expect(await problems(fixed(), 'a       1.00EURSUCCESS\nb   2.50\n')).toEqual([
      '2: it has 8 characters, not 22',
      '3: the file ends without its trailer',
    ]);
    expect(() => fixedWidth({ columns: { a: [0, 3] }, length: 5 })).toThrow('fixedWidth column "a" must lie within 1 and 5, it is 0–3');
  });
});

describe('jsonLines', () => {
  const json = statement({ format: jsonLines() });

  it('gives numbers as they stand in the file', async () => {
    const line = '{"reference":"a","amount":90071992547409.93,"currency":"EUR","status":"FAIL"}\n';
    expect((await read(json, line)).kept).toEqual(['1 a 9007199254740993']);
  });

  it('refuses what is no object, and half of one', async () => {
    expect((await problems(json, '{"reference":"a"\n[1]\nnull\n')).map((one) => one.slice(0, 30))).toEqual([
      expect.stringMatching(/^1: /),
      '2: it is not a JSON object',
      '3: it is not a JSON object',
    ]);
    expect(await problems(json, '{"reference":"a","am')).toEqual(['1: the file ends within it']);
  });
});

describe('pages', () => {
  const record = (reference: string): object => ({ reference, amount: '1.00', currency: 'EUR', status: 'SUCCESS' });

  it('are read to the last, one after the other', async () => {
    const asked: unknown[] = [];
    const paged = statement({
      format: pages(async (day, cursor) => {
        asked.push([day, cursor]);
        return cursor === undefined
          ? { records: [record('a'), record('b')] as never, next: '2' }
          : { records: [record('c')] as never, next: undefined };
      }),
    });
    const kept: string[] = [];
    const onLines = (lines: readonly ReadLine[]): void => void kept.push(...lines.map(({ line, reference }) => `${line} ${reference}`));
    expect((await readStatement(paged, { day: '2026-01-31' }, onLines, new AbortController().signal)).lines).toBe(3);
    expect(kept).toEqual(['1 a', '2 b', '3 c']);
    expect(asked).toEqual([
      ['2026-01-31', undefined],
      ['2026-01-31', '2'],
    ]);
  });

  it('that lead in a circle are refused', async () => {
    const circle = statement({ format: pages(async () => ({ records: [record('a')] as never, next: 'again' })) });
    await expect(readStatement(circle, { day: '2026-01-31' }, () => {}, new AbortController().signal)).rejects.toThrow('the same page');
  });
});
