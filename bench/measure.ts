import type { Measured } from './section.ts';

/** A round of one variant: gives its figure. */
export type Round = () => Promise<number>;

/**
 * Runs the variants in turn, again and again: what the machine does besides then falls on all of them alike. The order is
 * reversed every other time, so that none always follows the same one. The first `warmUps` rounds do not count.
 */
export async function interleave(
  variants: Readonly<Record<string, Round>>,
  { repeats, warmUps, signal, onRound }: { repeats: number; warmUps: number; signal: AbortSignal; onRound: (line: string) => void },
): Promise<Record<string, number[]>> {
  const figures: Record<string, number[]> = Object.fromEntries(Object.keys(variants).map((name) => [name, []]));
  for (let round = -warmUps; round < repeats; round += 1) {
    const order = Object.entries(variants);
    if (round % 2 !== 0) order.reverse();
    const told: string[] = [];
    for (const [name, run] of order) {
      signal.throwIfAborted();
      const figure = await run();
      if (round >= 0) figures[name]!.push(figure);
      told.push(`${name} ${Math.round(figure)}`);
    }
    onRound(`${round < 0 ? 'warm-up' : `round ${round + 1} of ${repeats}`}: ${told.sort().join(', ')}`);
  }
  return figures;
}

/** Sums up repeats of one figure. */
export function measured(unit: string, repeats: readonly number[]): Measured {
  const sorted = [...repeats].sort((a, b) => a - b);
  const at = (part: number): number => {
    const place = (sorted.length - 1) * part;
    const below = sorted[Math.floor(place)] ?? Number.NaN;
    return below + ((sorted[Math.ceil(place)] ?? Number.NaN) - below) * (place % 1);
  };
  const median = at(0.5);
  return {
    unit,
    median: rounded(median),
    min: rounded(at(0)),
    max: rounded(at(1)),
    spread: median === 0 ? 0 : rounded((at(0.75) - at(0.25)) / 2 / median),
    repeats: repeats.map(rounded),
  };
}

/** The ratio of two figures, round by round, then its middle value: rounds lie close together in time, medians need not. */
export function ratios(over: readonly number[], under: readonly number[]): Measured {
  return measured(
    'ratio',
    over.map((value, index) => value / under[index]!),
  );
}

const rounded = (value: number): number => Number(value.toPrecision(4));
