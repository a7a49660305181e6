import { readFileSync, readdirSync, readlinkSync } from 'node:fs';

/** Where the TCP connections that a process holds open lead to, as `address:port` in the kernel's hexadecimal. None where nobody can tell: Linux only. */
export function openConnections(pid: number): string[] {
  if (process.platform !== 'linux') return [];
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).map((descriptor) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${descriptor}`))?.[1];
      } catch {
        return undefined;
      }
    }),
  );
  const rows = ['tcp', 'tcp6'].flatMap((family) => readFileSync(`/proc/${pid}/net/${family}`, 'utf8').trim().split('\n').slice(1));
  return rows
    .map((row) => row.trim().split(/\s+/))
    .filter((columns) => inodes.has(columns[9]))
    .map((columns) => columns[2]!);
}
