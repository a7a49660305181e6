import { Command } from 'commander';
import { environment, loadConfig } from '../config.ts';
import { allChecks } from '../doctor/all-checks.ts';
import { maskerOf } from '../doctor/masked.ts';
import { patientOf } from '../doctor/patient.ts';
import { renderExaminations } from '../doctor/render-examinations.ts';
import { exitCodeOf, runChecks } from '../doctor/run-checks.ts';
import { positive } from '../whole-number.ts';

interface Flags {
  config?: string;
  namesrv?: string;
  probeCheckBack?: true;
  probeMs: number;
  reachOrigins?: true;
  json?: true;
}

const MORE = `
Each check has its own time limit, and none stops another. It writes nothing but, where half messages are sent, one half
message that is rolled back at once.

Exit codes: 0 nothing failed (there may be warnings), 1 something failed, 2 wrong usage or configuration.`;

/** `checkback doctor` */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description(
      'looks at broker, topics, groups, database, clocks, grants, disk and institutions, and says what to do about what it finds',
    )
    .option('-c, --config <file>', 'configuration file; default checkback.config.ts')
    .option('--namesrv <host:port>', 'name server, to look at groups and broker; default CHECKBACK_ROCKETMQ_NAMESRV')
    .option('--probe-check-back', 'also leaves a half message unanswered until the broker asks about it')
    .option('--probe-ms <ms>', 'how long to wait for that question', positive, 120_000)
    .option('--reach-origins', 'also connects to the institutions: DNS, TCP and TLS, no request')
    .option('--json', 'print one JSON object')
    .addHelpText('after', MORE)
    .action(async (flags: Flags) => {
      const config = await loadConfig(flags.config);
      const patient = patientOf(config, flags.namesrv ?? environment['CHECKBACK_ROCKETMQ_NAMESRV']);
      const { probeMs, probeCheckBack = false, reachOrigins = false } = flags;
      const checks = allChecks({ probeMs, probeCheckBack, reachOrigins });
      const examinations = await runChecks(checks, patient, maskerOf(config));
      const isClosed = await patient.close();
      process.exitCode = exitCodeOf(examinations);
      const text = flags.json ? `${JSON.stringify({ at: new Date(), examinations })}\n` : renderExaminations(examinations);
      await new Promise<void>((written) => void process.stdout.write(text, () => written()));
      // What hung may hang for ever; everybody has been told by now.
      if (!isClosed) process.exit();
    });
}
