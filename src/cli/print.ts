/** Standard output, one line. */
export const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** What came from outside, without what would move a terminal's cursor or end a line. */
export const printable = (text: string): string => text.replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, '\u{fffd}');
