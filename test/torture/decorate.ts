/** The same object with some of its methods replaced; the others stay bound to it, private fields and all. */
export function decorate<Target extends object>(target: Target, changes: Partial<Target>): Target {
  return new Proxy(target, {
    get: (_, name) => {
      if (Object.hasOwn(changes, name)) return changes[name as keyof Target];
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
