import { createReadStream, statSync } from 'node:fs';
import { basename } from 'node:path';
import { Command, Option } from 'commander';
import { ConfigurationError, StatementRefusedError } from '../../errors.ts';
import type { AnyStatement } from '../../reconciliation/statement/define-statement.ts';
import { previewStore } from '../../reconciliation/statement/preview-store.ts';
import { reconcileStatement, type StatementPhase } from '../../reconciliation/statement/reconcile-statement.ts';
import { cliLogger } from '../cli-logger.ts';
import { withDatabase } from '../compose.ts';
import { composeStatement } from '../compose-statement.ts';
import { printable, say } from '../print.ts';
import { type Progress, startProgress } from '../reconciliation/progress.ts';
import { expectShortLivedRows } from '../reconciliation/short-lived-rows.ts';
import { previewReport, type StatementReportView, storedReport, writeStatementReport } from '../reconciliation/statement-report.ts';
import { positive, upTo } from '../whole-number.ts';
import { type Since, since, sinceAt } from './reconcile-session.ts';

interface Flags {
  readonly config?: string;
  readonly statement?: string;
  readonly day?: string;
  readonly dryRun?: true;
  readonly since?: Since;
  readonly chunk: number;
  readonly rate?: number;
  readonly json?: true;
  readonly html?: string;
  readonly logLevel: string;
}

/** `checkback reconcile statement [file]` */
export function statementCommand(): Command {
  return new Command('statement')
    .description("compares an institution's statement of a day with our rows; what differs becomes a break")
    .argument('[file]', 'the statement; left out for one that is fetched by page')
    .option('-c, --config <file>', 'configuration file; default checkback.config.ts')
    .option('--statement <name>', 'which statement of the configuration it is; default: the only one')
    .option('--day <date>', 'its day, such as 2026-01-31; default: the date in the name of the file')
    .option('--dry-run', 'compares and reports; writes nothing')
    .option('--since <when>', 'only what is younger: 90min, 24h, 7d, or a date like 2026-01-31T08:00Z', since)
    .option('--chunk <n>', 'rows of a page and breaks of a transaction', upTo(10_000), 1_000)
    .option('--rate <n>', 'lines and rows a second at most; default: as fast as it goes', positive)
    .option('--json', 'prints the report as JSON, one object')
    .option('--html <file>', 'writes the report as a page too')
    .addOption(
      new Option('--log-level <level>', 'least important level to log').choices(['debug', 'info', 'warn', 'error']).default('warn'),
    )
    .addHelpText(
      'after',
      `
Nothing is written before the whole statement has been read and found sound. Stopped or killed, the same command ends in
the same state. A break ends by itself when a later run or statement agrees; "checkback reconcile breaks" is for the others.

Exit codes: 0 no open break, 1 it failed or was refused (line numbers and reasons are printed), 2 there are open breaks.`,
    )
    .action((file: string | undefined, flags: Flags) => run(file, flags));
}

const run = (file: string | undefined, flags: Flags): Promise<void> =>
  withDatabase(flags.config, async ({ config, orm }) => {
    await using opened = new AsyncDisposableStack();
    const statement = chosen(config.reconciliation?.statements ?? [], flags.statement);
    const day = flags.day ?? dayInName(file);
    const logger = cliLogger({ level: flags.logLevel, name: `${config.owner}-reconcile` });
    const settles = statement.policy.settleOpen && !flags.dryRun;
    const { rate, chunk } = flags;
    const { part: context } = opened.adopt(await composeStatement(config, orm, { logger, rate, settles }), (composed) => composed.close());
    const stop = new AbortController();
    const onSignal = (): void => stop.abort(new Error('stopped; the same command ends in the same state'));
    for (const name of ['SIGINT', 'SIGTERM'] as const) {
      process.once(name, onSignal);
      opened.defer(() => void process.off(name, onSignal));
    }
    expectShortLivedRows();
    const preview = flags.dryRun && previewStore(context.store);
    const progress = phases(file);
    const input = {
      day,
      bytes: file === undefined ? undefined : createReadStream(file),
      source: file === undefined ? 'pages' : basename(file),
      since: sinceAt(flags.since, new Date()),
    };
    let report: StatementReportView;
    try {
      const store = preview ? preview.store : context.store;
      const result = await reconcileStatement(statement, input, { ...context, store, chunk, onProgress: progress.told }, stop.signal);
      progress.stop();
      report = preview ? previewReport(preview, result) : await storedReport(context.store, result);
    } catch (error) {
      progress.stop();
      if (!(error instanceof StatementRefusedError)) throw error;
      return refuse(error, input.source, flags.json);
    }
    await writeStatementReport(report, flags);
  });

function chosen(statements: readonly AnyStatement[], name: string | undefined): AnyStatement {
  const [first, ...others] = name === undefined ? statements : statements.filter((statement) => statement.name === name);
  if (first !== undefined && others.length === 0) return first;
  if (name !== undefined) throw new ConfigurationError(`the configuration has no statement "${name}"`);
  if (first === undefined) throw new ConfigurationError('no statement: see defineStatement and "reconciliation.statements"');
  throw new ConfigurationError(`--statement must say which one it is: ${statements.map((statement) => statement.name).join(', ')}`);
}

function dayInName(file: string | undefined): string {
  const [, year, month, date] = /(?<!\d)(\d{4})-?(\d\d)-?(\d\d)(?!\d)/.exec(file === undefined ? '' : basename(file)) ?? [];
  if (year === undefined) throw new ConfigurationError('--day must say which day it is: there is no date in the name of the file');
  return `${year}-${month}-${date}`;
}

/** One bar after the other. How many rows and pairs there will be is guessed from what came before. */
function phases(file: string | undefined): { told: (phase: StatementPhase, count: number) => void; stop: () => void } {
  const BYTES_OF_A_LINE = 60;
  const guess = file === undefined ? 0 : Math.ceil((statSync(file, { throwIfNoEntry: false })?.size ?? 0) / BYTES_OF_A_LINE);
  let current: { phase: StatementPhase; bar: Progress; count: number } | undefined;
  return {
    told: (phase, count) => {
      if (current?.phase !== phase) {
        current?.bar.stop();
        current = { phase, bar: startProgress(phase, current?.count ?? guess), count: 0 };
      }
      current.bar.add(count - current.count);
      current.count = count;
    },
    stop: () => current?.bar.stop(),
  };
}

function refuse({ problems }: StatementRefusedError, source: string, json: true | undefined): void {
  process.exitCode = 1;
  if (json) return say(JSON.stringify({ refused: problems }));
  process.stderr.write(`checkback: ${printable(source)} is refused, and nothing was compared:\n`);
  for (const { line, why } of problems) process.stderr.write(`  ${line > 0 ? `line ${line}: ` : ''}${printable(why)}\n`);
}
