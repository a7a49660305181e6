import { Refusal, type RefusalCode } from '../refusal.ts';
import { Code, type definition, Status } from './grpc-package.ts';

export function statusOf(code: RefusalCode | 'OK' | 'MULTIPLE_RESULTS' | 'FORBIDDEN', message: string = code): definition.Status {
  return new Status().setCode(Code[code]).setMessage(message);
}

export function okStatus(): definition.Status {
  return statusOf('OK');
}

/** What a thrown value is answered with. Anything but a refusal is a fault of this broker, and said so. */
export function statusOfError(error: unknown): definition.Status {
  if (error instanceof Refusal) return statusOf(error.code, error.message);
  return statusOf('INTERNAL_SERVER_ERROR', error instanceof Error ? error.message : String(error));
}

/** One code for a request with several entries. */
export function statusOfEntries(entries: readonly definition.Status[], whenEmpty: string): definition.Status {
  const codes = new Set(entries.map((status) => status.getCode()));
  if (codes.size === 0) return statusOf('INTERNAL_SERVER_ERROR', whenEmpty);
  if (codes.size > 1) return statusOf('MULTIPLE_RESULTS');
  const [first] = entries;
  const name = Object.entries(Code).find(([, code]) => code === first!.getCode())?.[0] ?? '';
  return new Status().setCode(first!.getCode()).setMessage(name);
}
