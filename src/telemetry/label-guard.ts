/** More values than this of one label are told as `other`: what a metrics store keeps must not grow with what happens. */
const MAX_VALUES = 100;
const MAX_LENGTH = 128;

/** Lets the first values of each label through, and tells all further ones as `other`. */
export class LabelGuard {
  readonly #known = new Map<string, Set<string>>();

  /** The labels as they may be told; the same object when all of them may, which is the rule, and costs a look-up each. */
  bounded(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
    let changed: Record<string, string> | undefined;
    for (const label in labels) {
      const value = labels[label]!;
      if (this.#known.get(label)?.has(value) || this.#learn(label, value)) continue;
      changed ??= { ...labels };
      changed[label] = 'other';
    }
    return changed ?? labels;
  }

  #learn(label: string, value: string): boolean {
    let known = this.#known.get(label);
    if (known === undefined) this.#known.set(label, (known = new Set()));
    if (known.size >= MAX_VALUES || value.length > MAX_LENGTH) return false;
    known.add(value);
    return true;
  }
}
