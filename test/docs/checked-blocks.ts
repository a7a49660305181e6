import { readFileSync, readdirSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '../..');

/** Every page a reader may come to: README.md, docs/, and the README of each folder. */
export const pages: readonly string[] = [
  'README.md',
  ...readdirSync(join(root, 'docs')).flatMap((name) => (name.endsWith('.md') ? [`docs/${name}`] : [])),
  ...['bench', 'docker', 'listeners', 'listeners/frameworks', 'schema', 'scripts', 'src', 'test'].map((folder) => `${folder}/README.md`),
];

export const textOf = (page: string): string => readFileSync(join(root, page), 'utf8');

export interface Block {
  readonly page: string;
  /** Number of the line its code begins in, from 1. */
  readonly line: number;
  /** What stands behind the backquotes: `ts check`. */
  readonly info: string;
  readonly code: string;
}

export function blocksOf(page: string, text = textOf(page)): Block[] {
  return [...text.matchAll(/^```(\w[^\n]*)\n([\s\S]*?)^```$/gm)].map(({ index, 1: info = '', 2: code = '' }) => ({
    page,
    line: text.slice(0, index).split('\n').length + 1,
    info,
    code,
  }));
}

/**
 * A block as a module of its own. Every public name is there without an import, as are the things a reader knows from the
 * worked example; what the block declares itself goes before them. `folder` is where it will be.
 */
export function moduleOf({ code }: Block, folder: string): string {
  const taken = new Set<string>();
  const declared = new Set([...code.matchAll(/^(?:export )?(?:const|function|interface|type|class) (\w+)/gm)].map(([, name]) => name));
  const without = (names: readonly string[]): string => {
    const bare = (name: string): string => name.replace('type ', '');
    const free = names.filter((name) => !declared.has(bare(name)) && !taken.has(bare(name)));
    for (const name of free) taken.add(bare(name));
    return free.join(', ');
  };
  const from = (path: string): string => JSON.stringify(relative(folder, join(root, path)));
  const given = {
    publisher: 'declare const publisher: TransactionalPublisher;',
    Charge: 'interface Charge { orderId: string; amountMinor: number; currency: string }',
  };
  return [
    `import { ${without(namesIn('src/index.ts'))} } from ${from('src/index.ts')};`,
    `import { ${without(namesIn('src/testing.ts'))} } from ${from('src/testing.ts')};`,
    `import { ${without(['OrderEntity', 'ENGINE_ENTITIES', 'ENGINE_MIGRATIONS'])} } from ${from('schema/index.ts')};`,
    `import { ${without(['type PlaceOrder', 'placeOrder', 'chargePayment', 'chargeAtBank'])} } from ${from('listeners/index.ts')};`,
    ...Object.entries(given).flatMap(([name, declaration]) => (declared.has(name) ? [] : [declaration])),
    code,
    'export {};',
  ].join('\n');
}

/** Values and types that an entry exports by name. */
function namesIn(entry: string): string[] {
  const names = new Map<string, boolean>();
  for (const [, type, list = ''] of textOf(entry).matchAll(/^export (type )?\{([^}]*)\} from/gm)) {
    for (const one of list.split(',').map((name) => name.trim())) {
      if (one !== '') names.set(one.replace(/^type /, ''), type !== undefined || one.startsWith('type '));
    }
  }
  // `TransactionContext` and others are types; one list for both, as TypeScript has it.
  return [...names].map(([name, isType]) => (isType ? `type ${name}` : name));
}
