/** Resolves with the first SIGTERM or SIGINT, or when the parent's channel closes. A second one ends the process at once, for people who cannot wait. */
export function untilStopped(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let asked = false;
    const onSignal = (signal: NodeJS.Signals): void => {
      if (asked) process.exit(130);
      asked = true;
      resolve(signal);
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
    // A parent that started us with a channel and is gone asks for the same.
    process.once('disconnect', () => (asked ? undefined : onSignal('SIGTERM')));
  });
}
