import { type Logger, pino } from 'pino';
import pretty from 'pino-pretty';

/** Pretty on a terminal, JSON lines elsewhere; to standard error, so that standard output stays the command's own. */
export function cliLogger(options: { level: string; name: string }): Logger {
  const settings = { level: options.level, name: options.name, serializers: { error: pino.stdSerializers.err } };
  return process.stderr.isTTY
    ? pino(settings, pretty({ colorize: true, destination: 2, sync: true, ignore: 'pid,hostname' }))
    : pino(settings, pino.destination({ dest: 2, sync: true }));
}
