/** One labelled step out of a state. The label is a sentence of the story that a counterexample tells. */
export interface Step<State> {
  readonly label: string;
  readonly to: State;
}

/** Facts by name; each says whether it holds in a state. */
export type Facts<State> = Readonly<Record<string, (state: State) => boolean>>;

/** A system as states and steps. States are plain immutable JSON values. */
export interface Model<State> {
  readonly initial: readonly State[];
  readonly next: (state: State) => readonly Step<State>[];
  /** Must hold in every reachable state. */
  readonly always: Facts<State>;
  /** Must hold in every reachable state where the system may stay for ever. */
  readonly atRest: Facts<State>;
  /** Where the system may stay for ever; by default where no step leads out. */
  readonly isAtRest?: (state: State) => boolean;
  /** Two states with one key are one state. Defaults to `canonicalJson`. */
  readonly key?: (state: State) => string;
}

/** What an exhaustive exploration found. */
export interface Exploration {
  readonly states: number;
  readonly steps: number;
  /** How many states the `atRest` facts were asked in: 0 would mean that they proved nothing. */
  readonly statesAtRest: number;
  /** For each fact that fails somewhere, the labels of a shortest path to such a state. */
  readonly counterexamples: ReadonlyMap<string, readonly string[]>;
}

/** JSON with sorted object keys, so that equal values are equal texts whatever order they were built in. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

/**
 * Visits every reachable state once, breadth first, so that each counterexample is as short as any can be, and goes on
 * to the end even when a fact has failed: all facts get their verdict in one run. Throws `RangeError` when the space
 * exceeds `maxStates`, because half an exploration proves nothing.
 */
export function explore<State>(model: Model<State>, maxStates = 2_000_000): Exploration {
  const key = model.key ?? canonicalJson;
  const seen = new Set<string>();
  const waiting: (State | undefined)[] = [];
  const cameFrom: number[] = [];
  const labels: string[] = [];
  const failedAt = new Map<string, number>();
  let steps = 0;
  let statesAtRest = 0;

  const visit = (state: State, from: number, label: string): void => {
    const text = key(state);
    if (seen.has(text)) return;
    if (waiting.length >= maxStates) throw new RangeError(`more than ${maxStates} states: the model is not bounded as meant`);
    seen.add(text);
    waiting.push(state);
    cameFrom.push(from);
    labels.push(label);
  };
  const judge = (facts: Facts<State>, state: State, index: number): void => {
    for (const [name, holds] of Object.entries(facts)) {
      if (!failedAt.has(name) && !holds(state)) failedAt.set(name, index);
    }
  };

  for (const state of model.initial) visit(state, -1, '');
  for (let index = 0; index < waiting.length; index++) {
    const state = waiting[index] as State;
    const successors = model.next(state);
    judge(model.always, state, index);
    if (model.isAtRest ? model.isAtRest(state) : successors.length === 0) {
      statesAtRest++;
      judge(model.atRest, state, index);
    }
    for (const step of successors) visit(step.to, index, step.label);
    steps += successors.length;
    // The path back needs labels only; letting the state go halves the memory of a large exploration.
    waiting[index] = undefined;
  }

  const pathTo = (index: number): readonly string[] => {
    const path: string[] = [];
    for (let at = index; (cameFrom[at] ?? -1) >= 0; at = cameFrom[at] ?? -1) path.push(labels[at] ?? '');
    return path.toReversed();
  };
  return {
    states: waiting.length,
    steps,
    statesAtRest,
    counterexamples: new Map([...failedAt].map(([name, index]) => [name, pathTo(index)])),
  };
}
