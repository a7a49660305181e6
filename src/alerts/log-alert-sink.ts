import type { Logger } from '../shared/logger.ts';
import type { AlertSink } from './alert.ts';

/** Writes alerts to a log: `critical` as errors, the others as warnings, each with `alert` set to its kind. */
export function logAlertSink(logger: Logger): AlertSink {
  return async ({ kind, severity, subject, summary, details, repeated }) => {
    const fields = { alert: kind, subject, repeated, ...details };
    if (severity === 'critical') logger.error(fields, summary);
    else logger.warn(fields, summary);
  };
}
