/** Smallest and largest value of each option. */
export type Ranges<Options> = Readonly<Record<keyof Options, readonly [min: number, max: number]>>;

/**
 * Takes the options that have a range from `given`, or from `defaults` where they are missing, checks and freezes them.
 * Throws `RangeError` naming the option and its value.
 */
export function resolveWholeNumbers<Options extends object>(given: Partial<Options>, defaults: Options, ranges: Ranges<Options>): Options {
  const resolved: Partial<Record<keyof Options, unknown>> = {};
  for (const [option, [min, max]] of Object.entries(ranges) as [keyof Options & string, readonly [number, number]][]) {
    const value = given[option] ?? defaults[option];
    if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max)
      throw new RangeError(`${option} must be a whole number from ${min} to ${max}, it is ${String(value)}`);
    resolved[option] = value;
  }
  return Object.freeze(resolved as Options);
}
