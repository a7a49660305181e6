import { Command } from 'commander';
import { startMockBank } from '../mock-bank/mock-bank.ts';
import { untilStopped } from '../until-stopped.ts';
import { wholeNumber } from '../whole-number.ts';

interface Flags {
  port: number;
  neverAnswer: string[];
  reject: string[];
}

/** `checkback mock-bank` */
export function mockBankCommand(): Command {
  return new Command('mock-bank')
    .description('a bank for trying things out: takes POST /payments, answers GET /payments/<key>, fails when told to; loopback only')
    .option('--port <n>', 'port to listen on; 0 takes a free one', wholeNumber, 4010)
    .option('--never-answer <key...>', 'idempotency keys it accepts and never answers', [])
    .option('--reject <key...>', 'idempotency keys it refuses with 422', [])
    .action(async (flags: Flags) => {
      const stopped = untilStopped();
      const bank = await startMockBank({
        port: flags.port,
        script: (request) => {
          if (request.method !== 'POST') return undefined;
          const kind = flags.neverAnswer.includes(request.idempotencyKey)
            ? 'never-answer'
            : flags.reject.includes(request.idempotencyKey)
              ? 'reject'
              : 'ok';
          process.stdout.write(`${request.method} ${request.path} ${request.idempotencyKey} → ${kind}\n`);
          return { kind };
        },
      });
      process.stdout.write(`mock bank at ${bank.origin}; use it as CHECKBACK_ORIGINS=bank=${bank.origin}\n`);
      await stopped;
      await bank.close();
    });
}
