import type { DeadLetter } from '../../dead-letter/dead-letter.ts';
import { printable } from '../print.ts';

/** A letter as JSON: never its body. */
export const letterJson = ({ standing, ...letter }: DeadLetter): object => ({ ...letter, ...standing });

/** One line for a list. */
export const letterLine = ({
  id,
  standing,
  lastFailedAt,
  topic,
  listener,
  reason,
  deliveryAttempts,
  idempotencyKey,
  keys,
  reasonText,
}: DeadLetter): string =>
  [
    String(id).padStart(6),
    standing.state.padEnd(9),
    lastFailedAt.toISOString(),
    reason.padEnd(17),
    printable(`${topic} ${listener ?? '-'}`),
    `×${deliveryAttempts}`,
    printable(idempotencyKey ?? keys[0] ?? '-'),
    printable(reasonText).slice(0, 120),
  ].join('  ');

/** A body as text when it is some, otherwise in base64, which no terminal minds. */
export const bodyText = (body: Uint8Array): { readonly encoding: 'utf8' | 'base64'; readonly text: string } => {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body);
    if (printable(text.replace(/[\t\n\r]/g, ' ')) === text.replace(/[\t\n\r]/g, ' ')) return { encoding: 'utf8', text };
  } catch {
    // Not UTF-8.
  }
  return { encoding: 'base64', text: Buffer.from(body).toString('base64') };
};
