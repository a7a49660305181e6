/** The service that is killed and the one that takes its place are the same one to the broker. */
export const OWNER = 'bench';

/** As `defineTransactionListener` names a listener of this topic. */
export const listenerName = (topic: string): string => `${topic}:placed`;
