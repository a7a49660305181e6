import type { HourByMinute } from '../../store/mysql-ops-hour.ts';
import { markup, type Markup } from './html.ts';

const MINUTES = 60;
const WIDTH = 600;
const HEIGHT = 90;
const BAR = WIDTH / MINUTES;

/** The last hour as bars of a minute, what came of it stacked in the order of `parts`. */
export function minuteChart(title: string, { minutes, isCut }: HourByMinute, now: Date, parts: readonly string[]): Markup {
  const last = Math.floor(now.getTime() / 60_000);
  const bars = minutes.flatMap(({ at, counts }) => {
    const nth = MINUTES - 1 - (last - at / 60_000);
    return nth < 0 || nth >= MINUTES ? [] : [{ nth, at, counts }];
  });
  const sumOf = (counts: Readonly<Record<string, number>>): number => parts.reduce((sum, part) => sum + (counts[part] ?? 0), 0);
  const most = Math.max(1, ...bars.map(({ counts }) => sumOf(counts)));
  const all = bars.reduce((sum, { counts }) => sum + sumOf(counts), 0);
  const said = `${title}: ${all}${isCut ? ' or more' : ''} in the last hour, ${most} in the busiest minute`;
  return markup`<figure class="chart">
    <figcaption>${title}: ${all}${isCut && ' or more'} in the last hour, at most ${all === 0 ? 0 : most} a minute</figcaption>
    <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${said}" preserveAspectRatio="none">
      <line class="axis" x1="0" y1="${HEIGHT - 0.5}" x2="${WIDTH}" y2="${HEIGHT - 0.5}"></line>
      ${bars.map(({ nth, at, counts }) => {
        let bottom = HEIGHT;
        return parts.map((part) => {
          const count = counts[part] ?? 0;
          const height = (count / most) * (HEIGHT - 4);
          bottom -= height;
          return (
            count > 0 &&
            markup`<rect
              class="bar ${part.toLowerCase()}"
              x="${round(nth * BAR + 1)}"
              y="${round(bottom)}"
              width="${BAR - 2}"
              height="${round(height)}"
              ><title>${new Date(at).toISOString().slice(11, 16)} ${part.toLowerCase()} ${count}</title></rect
            >`
          );
        });
      })}</svg
    >${isCut && markup`<p class="hint">What is further left is counted with the next reads.</p>`}
  </figure>`;
}

const round = (value: number): number => Math.round(value * 10) / 10;
