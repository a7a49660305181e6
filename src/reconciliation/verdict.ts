/** What a run says of one call, or of one row whose call is missing. */
export type Verdict =
  // Open calls.
  | 'SUCCESS'
  | 'FAIL'
  | 'SAGA'
  | 'WAITING'
  | 'BUSY'
  | 'REVIEW'
  | 'IDLE'
  | 'NO_MESSAGE'
  | 'NO_LISTENER'
  // Delivery.
  | 'REPUBLISHED'
  | 'RECENT'
  | 'DEAD_LETTER'
  | 'GONE'
  | 'UNBUILDABLE'
  // Dry runs.
  | 'WOULD_ASK'
  | 'WOULD_REPUBLISH';

interface Meaning {
  /** For a person. */
  readonly label: string;
  /** Whether something is left to do: a break, or a call that is still open. */
  readonly isOpen: boolean;
}

/** In the order of a report. */
export const VERDICTS: Readonly<Record<Verdict, Meaning>> = {
  SUCCESS: { label: 'settled: SUCCESS', isOpen: false },
  FAIL: { label: 'settled: FAIL', isOpen: false },
  SAGA: { label: 'left to its saga, which settles its own calls', isOpen: false },
  DEAD_LETTER: { label: 'not missing: its message is a dead letter', isOpen: false },
  GONE: { label: 'no longer missing', isOpen: false },
  WOULD_ASK: { label: 'would be asked after', isOpen: true },
  WOULD_REPUBLISH: { label: 'no call: would be published again', isOpen: true },
  WAITING: { label: 'open: asked again when its time comes', isOpen: true },
  BUSY: { label: 'open: somebody works on it right now', isOpen: true },
  REPUBLISHED: { label: 'no call: published again', isOpen: true },
  RECENT: { label: 'no call yet: published again a short time ago', isOpen: true },
  REVIEW: { label: 'break: waits for a person', isOpen: true },
  IDLE: { label: 'break: nobody has tried again for a long time', isOpen: true },
  NO_MESSAGE: { label: 'break: there is no message to settle it with', isOpen: true },
  NO_LISTENER: { label: 'break: no listener here makes this call', isOpen: true },
  UNBUILDABLE: { label: 'break: its message cannot be built from its row', isOpen: true },
};

export const isOpen = (verdict: Verdict): boolean => VERDICTS[verdict].isOpen;

/** Verdicts that leave something to do. */
export const OPEN_VERDICTS: readonly Verdict[] = (Object.keys(VERDICTS) as Verdict[]).filter(isOpen);
