import type { LabelsOf, StateMetric } from './metric-list.ts';

/** One value of a state. */
export type StateReading = {
  readonly [Name in StateMetric]: { readonly metric: Name; readonly value: number; readonly labels: LabelsOf<Name> };
}[StateMetric];

/** Where states are read. */
export interface StateSource {
  /** Label of `checkback.state.readable`. */
  readonly name: string;
  /** May reject: its states are NaN then, and `checkback.state.readable` is 0. Never called while a call of it is under way. */
  read(): Promise<readonly StateReading[]> | readonly StateReading[];
  /** How old an answer may be that is given again. 0: as often as it is asked. */
  readonly cacheMs: number;
}
