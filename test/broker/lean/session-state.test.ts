import { describe, expect, it } from 'vitest';
import { SESSION_TRANSITIONS, type SessionEvent, type SessionState } from '../../../src/broker/rocketmq/lean/session-state.ts';

describe('the state of a session', () => {
  it.each<[SessionState, SessionEvent, SessionState]>([
    ['opening', 'settings', 'open'],
    ['opening', 'retire', 'closed'],
    ['opening', 'lost', 'closed'],
    ['open', 'settings', 'open'],
    ['open', 'retire', 'retired'],
    ['open', 'lost', 'closed'],
    ['retired', 'settings', 'retired'],
    ['retired', 'retire', 'retired'],
    ['retired', 'lost', 'closed'],
    ['closed', 'settings', 'closed'],
    ['closed', 'retire', 'closed'],
    ['closed', 'lost', 'closed'],
  ])('%s, after %s, is %s', (state, event, next) => {
    expect(SESSION_TRANSITIONS[state][event]).toBe(next);
  });
});
