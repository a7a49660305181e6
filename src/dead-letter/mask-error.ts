import type { ReceivedMessage } from '../broker/message.ts';
import { CheckbackError } from '../errors.ts';
import { SECRET_NAMES } from '../gateway/mask-json.ts';
import type { ErrorLink } from './dead-letter.ts';

const MAX_LINKS = 10;
const MAX_TEXT = 500;
/** Longer bodies are not searched for values; the patterns below still apply. */
const MAX_SEARCHED_BYTES = 1_048_576;
const MAX_VALUES = 10_000;
/** Shorter values are everywhere by chance. */
const MIN_VALUE_LENGTH = 4;

const QUOTED = /'[^']*'|"[^"]*"|`[^`]*`/g;
/** Four digits in a row, a mail address, or anything as long as a token. */
const TOKEN_LIKE = /\b(?=\S*\d{4})[\w+/=.:@-]{4,}|[\w+.-]+@[\w.-]+|[\w+/=.-]{20,}/g;
const NAMED_SECRET = new RegExp(`\\b(${SECRET_NAMES.join('|')})(\\s*[:=]\\s*|\\s+)(?:Bearer\\s+|Basic\\s+)?\\S+`, 'gi');

/** Makes error texts fit to be stored beside a message: knows its values and writes `***` for them. */
export interface ErrorMask {
  text(text: string, isOurs: boolean): string;
}

/**
 * Masks every value of the message's body that a text repeats, and named secrets; in texts that are not this package's
 * own also whatever stands in quotation marks or looks like a number or a token, since databases and parsers quote
 * what they were given.
 */
export const errorMask = ({ body }: Pick<ReceivedMessage, 'body'>): ErrorMask => {
  const values = valuesOf(body);
  return {
    text(text, isOurs) {
      let masked = text.slice(0, MAX_TEXT * 4);
      for (const value of values) if (masked.includes(value)) masked = masked.replaceAll(value, '***');
      masked = masked.replace(NAMED_SECRET, '$1$2***');
      if (!isOurs) masked = masked.replace(QUOTED, '***').replace(TOKEN_LIKE, '***');
      return masked.slice(0, MAX_TEXT);
    },
  };
};

/** Name, code and masked message of an error and its causes, outermost first, ten at most. */
export const maskedErrorChain = (error: unknown, mask: ErrorMask): ErrorLink[] => {
  const chain: ErrorLink[] = [];
  for (let link = error; link instanceof Error && chain.length < MAX_LINKS; link = link.cause) {
    // Anything may be put there.
    const { code } = link as { code?: unknown };
    chain.push({
      name: mask.text(link.name, true).slice(0, 100),
      ...(['string', 'number'].includes(typeof code) && { code: String(code).slice(0, 100) }),
      message: mask.text(link.message, link instanceof CheckbackError),
    });
  }
  return chain;
};

/** Scalars of a JSON body, longest first so that no part of one is left over. Of anything else: none. */
const valuesOf = (body: Uint8Array): string[] => {
  if (body.byteLength > MAX_SEARCHED_BYTES) return [];
  let root: unknown;
  try {
    root = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'));
  } catch {
    return [];
  }
  const values = new Set<string>();
  for (const open: unknown[] = [root]; open.length > 0 && values.size < MAX_VALUES;) {
    const value = open.pop();
    // One by one: as arguments, a long array would be more than the stack takes.
    if (typeof value === 'object' && value !== null) for (const child of Object.values(value)) open.push(child);
    else if ((typeof value === 'string' || typeof value === 'number') && String(value).length >= MIN_VALUE_LENGTH)
      values.add(String(value));
  }
  return [...values].sort((a, b) => b.length - a.length);
};
