/** `opening`: nothing may be sent yet. `retired`: calls under way go on, new ones go elsewhere. */
export type SessionState = 'opening' | 'open' | 'retired' | 'closed';

/** `settings`: the other side has proved that it speaks HTTP/2. `retire`: it takes no new calls, or is not trusted with any. */
export type SessionEvent = 'settings' | 'retire' | 'lost';

/** A session that is given up before it is open is lost: nothing was ever sent on it. */
export const SESSION_TRANSITIONS: Readonly<Record<SessionState, Readonly<Record<SessionEvent, SessionState>>>> = {
  opening: { settings: 'open', retire: 'closed', lost: 'closed' },
  // Settings may come again at any time.
  open: { settings: 'open', retire: 'retired', lost: 'closed' },
  retired: { settings: 'retired', retire: 'retired', lost: 'closed' },
  closed: { settings: 'closed', retire: 'closed', lost: 'closed' },
};
