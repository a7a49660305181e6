import { styleText } from 'node:util';

/** Tells the story on standard output: who did what, and how long after the chapter began. */
export class Narrator {
  #began = performance.now();
  readonly #started = performance.now();

  chapter(title: string): void {
    this.#began = performance.now();
    process.stdout.write(`\n${styleText('bold', title)}\n`);
  }

  step(who: string, what: string): void {
    const seconds = ((performance.now() - this.#began) / 1_000).toFixed(3).padStart(7);
    process.stdout.write(`  ${styleText('dim', `${seconds} s`)}  ${who.padEnd(16)} ${what}\n`);
  }

  verdict(holds: boolean, what: string): boolean {
    process.stdout.write(`  ${holds ? styleText('green', '✓') : styleText('red', '✗')} ${what}\n`);
    return holds;
  }

  note(text: string): void {
    process.stdout.write(`${text}\n`);
  }

  table(title: string, rows: readonly Record<string, string>[]): void {
    process.stdout.write(`\n${styleText('bold', title)}\n`);
    const columns = Object.keys(rows[0] ?? {});
    const widths = columns.map((column) => Math.max(column.length, ...rows.map((row) => (row[column] ?? '').length)));
    const line = (cells: readonly string[]): string =>
      `  ${cells
        .map((cell, index) => cell.padEnd(widths[index]!))
        .join('  ')
        .trimEnd()}\n`;
    process.stdout.write(styleText('dim', line(columns)));
    for (const row of rows) process.stdout.write(line(columns.map((column) => row[column] ?? '')));
  }

  get elapsedSeconds(): string {
    return ((performance.now() - this.#started) / 1_000).toFixed(1);
  }
}
