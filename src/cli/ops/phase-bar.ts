import type { AttemptTimes } from '../../store/mysql-ops-evidence.ts';
import { markup, type Markup } from './html.ts';

const WIDTH = 200;

/** How long each phase of an attempt took, as one bar and in words. */
export function phaseBar({ connectMs, writeMs, headersMs, bodyMs, totalMs }: AttemptTimes): Markup {
  const phases = [
    ['connect', connectMs],
    ['write', writeMs],
    ['headers', headersMs],
    ['body', bodyMs],
  ] as const;
  const reached = phases.flatMap(([name, ms]) => (ms === undefined ? [] : [{ name, ms }]));
  const all = Math.max(
    totalMs,
    reached.reduce((sum, { ms }) => sum + ms, 0),
    0.001,
  );
  const said = `${reached.map(({ name, ms }) => `${name} ${duration(ms)}`).join(', ')}; ${duration(totalMs)} in all`;
  let x = 0;
  return markup`<span class="phases"
    ><svg viewBox="0 0 ${WIDTH} 10" role="img" aria-label="${said}" preserveAspectRatio="none">
      <rect class="track" x="0" y="0" width="${WIDTH}" height="10"></rect>
      ${reached.map(({ name, ms }) => {
        const width = (Math.max(0, ms) / all) * WIDTH;
        const rect = markup`<rect class="phase ${name}" x="${x.toFixed(1)}" y="0" width="${width.toFixed(1)}" height="10"></rect>`;
        x += width;
        return rect;
      })}
    </svg>
    <small>${said}</small></span
  >`;
}

const duration = (ms: number): string => (ms >= 10_000 ? `${(ms / 1_000).toFixed(1)} s` : `${Math.round(ms * 10) / 10} ms`);
