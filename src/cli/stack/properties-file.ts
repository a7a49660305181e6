/** Settings as `key → value`, in the order of the file. */
export type Properties = Readonly<Record<string, string>>;

/** Reads `key=value` lines as in broker.conf and my.cnf; comments, blank lines and `[section]` lines are skipped. A key alone is on. */
export function parseProperties(text: string): Properties {
  const found: Record<string, string> = {};
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    if (line === '' || /^[#;![]/.test(line)) continue;
    const at = line.indexOf('=');
    const key = (at < 0 ? line : line.slice(0, at)).trim();
    found[key] = at < 0 ? 'ON' : line.slice(at + 1).trim();
  }
  return found;
}

/** Writes them back, one a line. */
export function formatProperties(properties: Properties): string {
  return Object.entries(properties)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
}
