/**
 * Which values of a JSON text are stored in clear. A path is names joined by dots; it also covers everything below.
 * Arrays count for nothing: `items.iban` is the `iban` of every item. `*` is any one name; `**.` in front is any depth.
 * Names are compared without case.
 */
export interface MaskRules {
  /** When given, a value that is on none of these paths is masked. */
  readonly keep?: readonly string[] | undefined;
  /** Always masked, with everything below. */
  readonly mask: readonly string[];
}

export interface MaskedJson {
  readonly bytes: Buffer;
  readonly isMasked: boolean;
}

/** Names whose values are secrets wherever they stand. */
export const SECRET_NAMES: readonly string[] = [
  'accessToken',
  'access_token',
  'apiKey',
  'api_key',
  'authorization',
  'clientSecret',
  'client_secret',
  'cookie',
  'cvc',
  'cvv',
  'pan',
  'passwd',
  'password',
  'pin',
  'privateKey',
  'private_key',
  'refreshToken',
  'refresh_token',
  'secret',
  'token',
];

const MASK = '"***"';

/**
 * Replaces values of a JSON text by `"***"` and leaves every other byte as it is: numbers keep their digits, names their
 * order. `undefined` when the bytes are not JSON. Linear in time, no recursion.
 */
export function maskJson(bytes: Buffer, rules: MaskRules): MaskedJson | undefined {
  try {
    JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
  // One character a byte, so that what is copied is copied exactly; JSON's own characters are all ASCII.
  const text = bytes.toString('latin1');
  const cuts = findMasked(text, compile(rules));
  if (cuts.length === 0) return { bytes, isMasked: false };
  let at = 0;
  let masked = '';
  for (const [from, to] of cuts) {
    masked += text.slice(at, from) + MASK;
    at = to;
  }
  return { bytes: Buffer.from(masked + text.slice(at), 'latin1'), isMasked: true };
}

type Decide = (path: readonly string[]) => { readonly isMasked: boolean; readonly isKept: boolean };

function compile({ keep, mask }: MaskRules): Decide {
  const masks = mask.map(matcher);
  const keeps = keep?.map(matcher);
  return (path) => ({
    isMasked: masks.some((matches) => matches(path)),
    isKept: keeps === undefined || keeps.some((matches) => matches(path)),
  });
}

function matcher(rule: string): (path: readonly string[]) => boolean {
  const isAnywhere = rule.startsWith('**.');
  const names = (isAnywhere ? rule.slice(3) : rule).toLowerCase().split('.');
  return (path) => {
    const from = isAnywhere ? path.length - names.length : 0;
    return (
      from >= 0 &&
      path.length >= names.length &&
      (isAnywhere || path.length === names.length) &&
      names.every((name, index) => name === '*' || name === path[from + index])
    );
  };
}

interface Level {
  readonly isObject: boolean;
  readonly isKept: boolean;
  /** The name read and whose value is next; always absent in an array. */
  name: string | undefined;
}

/** Walks a valid JSON text and returns the [from, to) of each value to mask, in order. */
function findMasked(text: string, decide: Decide): [number, number][] {
  const cuts: [number, number][] = [];
  const levels: Level[] = [];
  const path: string[] = [];
  let at = 0;
  while (at < text.length) {
    const level = levels.at(-1);
    const char = text[at]!;
    if (char === '}' || char === ']') {
      levels.pop();
      at += 1;
      endValue();
    } else if (char === ',' || char === ':' || char <= ' ') {
      at += 1;
    } else if (char === '"' && level?.isObject && level.name === undefined) {
      const end = endOfString(text, at);
      level.name = (JSON.parse(Buffer.from(text.slice(at, end), 'latin1').toString('utf8')) as string).toLowerCase();
      path.push(level.name);
      at = end;
    } else {
      const { isMasked, isKept } = path.length ? decide(path) : { isMasked: false, isKept: decide([]).isKept };
      const isInside = isKept || (level?.isKept ?? false);
      const isContainer = char === '{' || char === '[';
      if (isMasked || (!isContainer && !isInside)) {
        const end = endOfValue(text, at);
        cuts.push([at, end]);
        at = end;
        endValue();
      } else if (isContainer) {
        levels.push({ isObject: char === '{', isKept: isInside, name: undefined });
        at += 1;
      } else {
        at = endOfValue(text, at);
        endValue();
      }
    }
  }
  return cuts;

  function endValue(): void {
    const level = levels.at(-1);
    if (level?.isObject && level.name !== undefined) {
      level.name = undefined;
      path.pop();
    }
  }
}

function endOfString(text: string, from: number): number {
  for (let at = from + 1; ; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '"') return at + 1;
  }
}

function endOfValue(text: string, from: number): number {
  let depth = 0;
  let at = from;
  do {
    const char = text[at]!;
    if (char === '{' || char === '[') depth += 1;
    if (char === '}' || char === ']') depth -= 1;
    if (char === '"') at = endOfString(text, at);
    else if (depth > 0 || char === '}' || char === ']') at += 1;
    else while (at < text.length && !/[\s,\]}]/.test(text[at]!)) at += 1;
  } while (depth > 0);
  return at;
}
