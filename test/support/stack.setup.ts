import type { TestProject } from 'vitest/node';
import { type ProvidedStack, openTestStack } from './open-test-stack.ts';

declare module 'vitest' {
  interface ProvidedContext {
    stack: ProvidedStack;
  }
}

type Shared = { users: number; readonly opened: Promise<{ provided: ProvidedStack; close(): Promise<void> }> };

/** This module is loaded once per vitest project; the stack is one per run. */
const KEY = Symbol.for('checkback.test.stack');
const shelf = globalThis as { [KEY]?: Shared };

/**
 * Gives both projects of a run the same stack: named by the environment, or else in Docker through testcontainers, or else
 * native; `CHECKBACK_STACK=docker` or `native` insists on one. Ended when the last project is done; when vitest itself is
 * killed, its lifeline ends the servers (see src/cli/stack/lifeline.ts).
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const shared = (shelf[KEY] ??= { users: 0, opened: openTestStack() });
  shared.users += 1;
  const teardown = async (): Promise<void> => {
    shared.users -= 1;
    if (shared.users > 0) return;
    // The next run in watch mode starts its own.
    delete shelf[KEY];
    await shared.opened.then((stack) => stack.close());
  };
  try {
    project.provide('stack', (await shared.opened).provided);
  } catch (error) {
    shared.users -= 1;
    delete shelf[KEY];
    throw error;
  }
  return teardown;
}
