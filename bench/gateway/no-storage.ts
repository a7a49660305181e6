import type { ExternalCallStore } from '../../src/gateway/external-call-store.ts';

/** A store that says yes and keeps nothing: what is left is the gateway's own cost. */
export const noStorage: ExternalCallStore = {
  open: () => Promise.resolve({ kind: 'opened', callId: 1, attempt: 1, fence: 'none' }),
  close: () => Promise.resolve({ kind: 'closed' }),
  resolveUnknown: () => Promise.resolve(false),
};
