import { channel } from 'node:diagnostics_channel';

/** W3C trace context as it travels with a message; both absent when there is none. */
export interface TraceCarrier {
  traceparent?: string | undefined;
  tracestate?: string | undefined;
}

/** Runs `work` once, inside whatever it puts around it, and gives back what it came to. */
export type Around = <T>(work: () => Promise<T>) => Promise<T>;

/** What is published on an operation's channel at its beginning. */
export interface Operation<Event> {
  readonly event: Event;
  /** Puts something around the operation: the first one given is the outermost. */
  readonly around: (wrap: Around) => void;
}

/** Typed operations on `node:diagnostics_channel`: things with a beginning and an end, in which other events are told. */
export interface OperationChannels<Operations> {
  /** Does `work`, inside what the subscribers put around it. Costs one look when there is none; the event is made only then. */
  readonly run: <Name extends keyof Operations, T>(name: Name, event: () => Operations[Name], work: () => Promise<T>) => Promise<T>;
  /** Is told of every such operation of the whole process as it begins, and may give something to put around it; must not throw. Returns how to stop. */
  readonly on: <Name extends keyof Operations>(name: Name, begins: (event: Operations[Name]) => Around | undefined) => () => void;
}

/** `names` lists every operation of the type, so that none is forgotten. One channel each, named `<prefix>:<operation>`. */
export function operationChannels<Operations extends object>(
  prefix: string,
  names: Readonly<Record<keyof Operations & string, true>>,
): OperationChannels<Operations> {
  const channels = Object.fromEntries(Object.keys(names).map((name) => [name, channel(`${prefix}:${name}`)])) as Record<
    keyof Operations,
    ReturnType<typeof channel>
  >;
  return {
    run(name, event, work) {
      const { [name]: begun } = channels;
      if (!begun.hasSubscribers) return work();
      const wraps: Around[] = [];
      begun.publish({ event: event(), around: (wrap: Around) => void wraps.push(wrap) });
      return wraps.reduceRight<() => ReturnType<typeof work>>((inner, wrap) => () => wrap(inner), work)();
    },
    on(name, begins) {
      const onMessage = (message: unknown): void => {
        const { event, around } = message as Operation<Operations[typeof name]>;
        const wrap = begins(event);
        if (wrap !== undefined) around(wrap);
      };
      channels[name].subscribe(onMessage);
      return () => {
        channels[name].unsubscribe(onMessage);
      };
    },
  };
}
