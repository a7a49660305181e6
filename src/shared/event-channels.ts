import { channel } from 'node:diagnostics_channel';

/** Typed events on `node:diagnostics_channel`, one channel each, named `<prefix>:<event>`. */
export interface EventChannels<Events> {
  /** Tells it to whoever listens, synchronously. An event given as a function is made only then. */
  readonly emit: <Name extends keyof Events>(name: Name, event: Events[Name] | (() => Events[Name])) => void;
  /** Listens to one kind of event of the whole process; returns how to stop. */
  readonly on: <Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void) => () => void;
}

/** `names` lists every event of the type, so that none is forgotten. */
export function eventChannels<Events extends object>(
  prefix: string,
  names: Readonly<Record<keyof Events & string, true>>,
): EventChannels<Events> {
  const channels = Object.fromEntries(Object.keys(names).map((name) => [name, channel(`${prefix}:${name}`)])) as Record<
    keyof Events,
    ReturnType<typeof channel>
  >;
  return {
    emit(name, event) {
      const { [name]: told } = channels;
      if (told.hasSubscribers) told.publish(typeof event === 'function' ? (event as () => unknown)() : event);
    },
    on(name, listener) {
      const onMessage = (message: unknown): void => listener(message as Events[typeof name]);
      channels[name].subscribe(onMessage);
      return () => {
        channels[name].unsubscribe(onMessage);
      };
    },
  };
}
