import { withDeadline } from '../../shared/deadline.ts';
import { codeOf } from './code-of.ts';

/** One thing that a worker needs. */
export interface HealthPart {
  readonly name: string;
  /** Resolves to why it is not as it should be, without a secret in it; to `undefined` when it is. A rejection counts as a reason. */
  complaint(): Promise<string | undefined> | string | undefined;
}

export interface HealthAnswer {
  readonly isOk: boolean;
  readonly parts: Readonly<Record<string, { readonly ok: boolean; readonly reason?: string }>>;
}

/** How long a part has to answer before that itself is the reason. */
export const PART_LIMIT_MS = 1_500;

class Late extends Error {}

/** Asks all parts side by side. Never rejects; whoever asks meanwhile gets the same answer. */
export function healthCheck(parts: () => readonly HealthPart[], limitMs = PART_LIMIT_MS): () => Promise<HealthAnswer> {
  let running: Promise<HealthAnswer> | undefined;
  const ask = async (): Promise<HealthAnswer> => {
    const asked = await Promise.all(
      parts().map(async (part) => {
        const late = (): Error => new Late(`no answer within ${limitMs} ms`);
        const reason = await withDeadline((async () => part.complaint())(), limitMs, late).catch((error: unknown) =>
          error instanceof Late ? error.message : `it fails (${codeOf(error)})`,
        );
        return [part.name, reason === undefined ? { ok: true } : { ok: false, reason }] as const;
      }),
    );
    return { isOk: asked.every(([, { ok }]) => ok), parts: Object.fromEntries(asked) };
  };
  return () => (running ??= ask().finally(() => (running = undefined)));
}
