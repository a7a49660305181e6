import { markup, type Markup } from './html.ts';
import { LANES, type StoryEvent } from './story-events.ts';

const WIDTH = 600;
const ROW = 22;

/** The same events as dots, a row for each lane that has any; for the eye, since the list says it all. */
export function laneChart(events: readonly StoryEvent[]): Markup | undefined {
  const first = events[0]?.at.getTime();
  const last = events.at(-1)?.at.getTime();
  if (first === undefined || last === undefined) return undefined;
  const lanes = LANES.filter((lane) => events.some((event) => event.lane === lane));
  const x = (at: Date): number => Math.round(10 + ((at.getTime() - first) / Math.max(1, last - first)) * (WIDTH - 20));
  return markup`<svg class="lanes" viewBox="0 0 ${WIDTH} ${lanes.length * ROW}" preserveAspectRatio="xMinYMid" aria-hidden="true">
    ${lanes.map((lane, nth) => {
      const y = nth * ROW + 15;
      return markup`<text x="2" y="${y - 6}">${lane}</text><line class="axis" x1="0" y1="${y}" x2="${WIDTH}" y2="${y}"></line>${events
        .filter((event) => event.lane === lane)
        .map((event) => markup`<circle class="${event.isBad ? 'bad' : 'good'}" cx="${x(event.at)}" cy="${y}" r="4"></circle>`)}`;
    })}
  </svg>`;
}
