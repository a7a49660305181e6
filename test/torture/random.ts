/** Numbers from 0 to 1 that depend on the seed alone: mulberry32. */
export type Random = () => number;

export function randomFrom(...seeds: readonly (string | number)[]): Random {
  // FNV-1a over the text of the seeds; similar seeds give unrelated streams.
  let state = 0x811c9dc5;
  for (const character of seeds.join('/')) state = Math.imul(state ^ character.charCodeAt(0), 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function between(random: Random, [least, most]: readonly [number, number]): number {
  return least + Math.floor(random() * (most - least + 1));
}

export function oneOf<T>(random: Random, choices: readonly [T, ...T[]]): T {
  return choices[Math.floor(random() * choices.length)] ?? choices[0];
}
