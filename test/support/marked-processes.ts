import { readFileSync, readdirSync } from 'node:fs';

/** Command lines of the living processes that have inherited the mark in their environment. Linux only. */
export function processesWith(mark: string): string[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((pid) => {
      try {
        if (!readFileSync(`/proc/${pid}/environ`, 'utf8').includes(mark)) return [];
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
        return line === '' ? [] : [`${pid} ${line}`];
      } catch {
        return [];
      }
    });
}
