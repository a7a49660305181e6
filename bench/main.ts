// Measures: npm run bench -- [section…] [--quick]. Writes results/<section>.json and README.md; exit code 0 means that it measured.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { machineFacts } from './machine.ts';
import { writeReadme } from './readme.ts';
import { SECTIONS } from './sections.ts';

const USAGE = `npm run bench -- [section…] [--quick]

sections: ${Object.keys(SECTIONS).join(', ')}; default: all of them
--quick   few and short rounds; results are printed, not written
--readme  writes bench/README.md from the results that are there, and measures nothing

CHECKBACK_MYSQL_URL names a database to use; without it one is started (JDK and Maven needed) and ended again.`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean' }, readme: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
});
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const unknown = positionals.filter((name) => !Object.hasOwn(SECTIONS, name));
const results = new URL('./results/', import.meta.url);

if (values.help) {
  say(USAGE);
} else if (values.readme) {
  writeReadme();
} else if (unknown.length > 0) {
  say(`no such section: ${unknown.join(', ')}\n\n${USAGE}`);
  process.exitCode = 2;
} else {
  await measure(positionals.length > 0 ? positionals : Object.keys(SECTIONS), values.quick ?? false);
}

async function measure(names: readonly string[], isQuick: boolean): Promise<void> {
  const stop = new AbortController();
  const onSignal = (name: NodeJS.Signals): void => stop.abort(new Error(`stopped by ${name}`));
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  // oxlint-disable-next-line no-process-env -- a script's own door
  const mysqlUrl = process.env['CHECKBACK_MYSQL_URL']?.trim() || undefined;
  try {
    for (const name of names) {
      const machine = machineFacts();
      const startedAt = new Date();
      const result = await SECTIONS[name]!({ isQuick, mysqlUrl, say: (line) => say(`${name}: ${line}`), signal: stop.signal });
      const tookS = Math.round((Date.now() - startedAt.getTime()) / 1000);
      if (!isQuick) {
        const file = new URL(`${name}.json`, results);
        writeFileSync(
          file,
          `${JSON.stringify({ section: name, measuredAt: startedAt.toISOString(), tookS, machine, ...result }, null, 2)}\n`,
        );
        writeReadme();
      }
      process.stdout.write(`${name} ${JSON.stringify(result.headline)}\n`);
    }
  } catch (error) {
    say(stop.signal.aborted ? (stop.signal.reason as Error).message : String((error as Error).stack));
    process.exitCode = 1;
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}
