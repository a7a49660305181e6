import { type Command, Option } from 'commander';
import { DEAD_LETTER_REASONS, type DeadLetterReason } from '../../dead-letter/dead-letter.ts';
import { DEAD_LETTER_STATES, type DeadLetterState } from '../../dead-letter/dead-letter-state.ts';
import type { DeadLetterFilter } from '../../dead-letter/dead-letter-store.ts';
import { instant } from '../instant.ts';
import { positive } from '../whole-number.ts';

export interface FilterFlags {
  readonly topic?: string;
  readonly group?: string;
  readonly listener?: string;
  readonly diedOf?: DeadLetterReason;
  readonly state?: DeadLetterState;
  readonly since?: Date;
  readonly until?: Date;
  readonly key?: string;
  readonly limit: number;
}

/** What letters a command is about. `reasonFlag` names the filter by reason, since elsewhere `--reason` is the decision's. */
export const withFilters = (command: Command, { limit, reasonFlag }: { limit: number; reasonFlag: '--reason' | '--died-of' }): Command =>
  command
    .option('-c, --config <file>', 'configuration file; default checkback.config.ts')
    .option('--topic <topic>', 'of this topic; messages the broker gave up may have the topic %DLQ%<group>')
    .option('--group <group>', 'of this consumer group')
    .option('--listener <name>', 'of this message listener')
    .addOption(new Option(`${reasonFlag} <reason>`, 'that died of this').choices(DEAD_LETTER_REASONS))
    .addOption(new Option('--state <state>', 'in this state').choices(DEAD_LETTER_STATES))
    .option('--since <time>', 'that failed last at or after this, ISO 8601, UTC when it names no zone', instant)
    .option('--until <time>', 'that failed last before this', instant)
    .option('--key <key>', 'with this message key or idempotency key')
    .option('--limit <n>', 'this many at most', positive, limit);

export const filterOf = ({ topic, group, listener, diedOf, state, since, until, key }: FilterFlags): DeadLetterFilter => ({
  topic,
  group,
  listener,
  reason: diedOf,
  state,
  since,
  until,
  key,
});
