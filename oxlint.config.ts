import { defineConfig } from 'oxlint';

/**
 * Who may import whom. Each row: a folder, the folders of ours it may use, the packages it owns or shares. What a row
 * does not name is refused there; `node:` modules are free for all.
 */
const IMPORT_TABLE: { folder: string; mayUse: string[]; packages: string[] }[] = [
  { folder: 'src/shared', mayUse: [], packages: [] },
  { folder: 'src/broker', mayUse: ['errors', 'shared'], packages: [] },
  { folder: 'src/broker/rocketmq', mayUse: ['errors', 'shared', 'broker'], packages: ['rocketmq-client-nodejs', '@grpc/grpc-js'] },
  {
    folder: 'src/gateway',
    mayUse: ['errors', 'shared'],
    packages: ['undici', 'cockatiel', '@standard-schema/spec', 'type:@mikro-orm/core'],
  },
  {
    folder: 'src/transaction',
    mayUse: ['errors', 'shared', 'broker'],
    packages: ['uuid', 'cockatiel', '@standard-schema/spec', 'type:@mikro-orm/core'],
  },
  { folder: 'src/outbox', mayUse: ['errors', 'shared', 'broker', 'type:transaction'], packages: ['type:@mikro-orm/core'] },
  { folder: 'src/segmented-log', mayUse: ['errors', 'shared', 'broker', 'outbox', 'type:transaction'], packages: [] },
  {
    folder: 'src/change-data-capture',
    mayUse: ['errors', 'shared', 'broker', 'outbox', 'type:transaction', 'type:worker'],
    packages: ['@standard-schema/spec', 'type:@mikro-orm/core'],
  },
  {
    folder: 'src/worker',
    mayUse: ['errors', 'shared', 'broker', 'gateway'],
    packages: ['rxjs', 'cockatiel', '@standard-schema/spec', 'type:@mikro-orm/core'],
  },
  {
    folder: 'src/status-check',
    mayUse: ['errors', 'shared', 'broker', 'gateway', 'type:worker'],
    packages: ['rxjs', 'type:@mikro-orm/core'],
  },
  {
    folder: 'src/dead-letter',
    mayUse: ['errors', 'shared', 'broker', 'gateway', 'type:worker', 'type:status-check'],
    packages: ['rxjs', 'type:@mikro-orm/core'],
  },
  {
    folder: 'src/saga',
    mayUse: ['errors', 'shared', 'broker', 'gateway', 'type:worker', 'type:status-check', 'type:transaction'],
    packages: ['rxjs', '@standard-schema/spec', 'type:@mikro-orm/core'],
  },
  {
    folder: 'src/reconciliation',
    mayUse: ['errors', 'shared', 'broker', 'gateway', 'type:worker', 'type:status-check', 'type:transaction'],
    packages: ['csv-parse', 'croner', '@standard-schema/spec', 'type:@mikro-orm/core'],
  },
  {
    folder: 'src/alerts',
    mayUse: ['errors', 'shared', 'gateway', 'transaction', 'worker', 'status-check', 'dead-letter', 'saga'],
    packages: [],
  },
  {
    folder: 'src/telemetry',
    mayUse: [
      'errors',
      'shared',
      'gateway',
      'transaction',
      'worker',
      'status-check',
      'dead-letter',
      'saga',
      'outbox',
      'segmented-log',
      'change-data-capture',
    ],
    packages: ['@opentelemetry/api'],
  },
  {
    folder: 'src/store',
    mayUse: [
      'errors',
      'shared',
      'broker',
      'gateway',
      'transaction',
      'worker',
      'status-check',
      'dead-letter',
      'saga',
      'reconciliation',
      'outbox',
      'change-data-capture',
      'schema',
    ],
    packages: ['@mikro-orm/*', 'mysql2', 'kysely', 'uuid', '@vlasky/zongji'],
  },
  {
    folder: 'src/cli',
    mayUse: [
      'errors',
      'shared',
      'broker',
      'gateway',
      'transaction',
      'worker',
      'status-check',
      'dead-letter',
      'saga',
      'reconciliation',
      'outbox',
      'segmented-log',
      'change-data-capture',
      'alerts',
      'telemetry',
      'store',
      'embedded',
      'schema',
    ],
    packages: [
      '@opentelemetry/sdk-metrics',
      '@opentelemetry/exporter-prometheus',
      'commander',
      'cli-progress',
      'pino',
      'pino-pretty',
      'mysql2',
      '@grpc/grpc-js',
      'uuid',
    ],
  },
  { folder: 'src/embedded', mayUse: ['errors', 'shared', 'type:broker'], packages: ['rocketmq-client-nodejs', '@grpc/grpc-js'] },
  { folder: 'schema', mayUse: [], packages: ['@mikro-orm/*'] },
  { folder: 'listeners', mayUse: ['index', 'schema'], packages: ['zod'] },
  // How a service is put together; the frameworks themselves belong to nobody.
  { folder: 'listeners/frameworks', mayUse: ['index', 'schema'], packages: ['@mikro-orm/*'] },
];

const FOLDERS = [
  'shared',
  'broker',
  'gateway',
  'transaction',
  'worker',
  'status-check',
  'saga',
  'dead-letter',
  'reconciliation',
  'outbox',
  'segmented-log',
  'change-data-capture',
  'alerts',
  'telemetry',
  'store',
  'embedded',
  'cli',
];
const PACKAGES = [
  '@opentelemetry/api',
  '@opentelemetry/sdk-metrics',
  '@opentelemetry/exporter-prometheus',
  'rocketmq-client-nodejs',
  '@grpc/grpc-js',
  '@mikro-orm/*',
  'mysql2',
  'kysely',
  'undici',
  'cockatiel',
  'rxjs',
  'pino',
  'pino-pretty',
  'commander',
  'uuid',
  'zod',
  'testcontainers',
  'csv-parse',
  'croner',
  'cli-progress',
  '@vlasky/zongji',
];

/** Gitignore-style groups, one a rule, so that the message can name what is wrong. */
function restrictions({ folder, mayUse, packages }: (typeof IMPORT_TABLE)[number]) {
  const own = folder.split('/')[1] ?? folder;
  const patterns: { group: string[]; message: string; allowTypeImports?: boolean }[] = [];
  for (const other of FOLDERS) {
    if (other !== own && !mayUse.includes(other)) {
      patterns.push({
        group: [`**/../${other}/**`],
        message: `${folder} may not import ${other}/ (see the table in oxlint.config.ts).`,
        ...(mayUse.includes(`type:${other}`) ? { allowTypeImports: true } : {}),
      });
    }
  }
  if (!mayUse.includes('schema') && own !== 'schema')
    patterns.push({ group: ['**/schema/**'], message: `${folder} may not import schema/.` });
  if (folder.startsWith('src/')) patterns.push({ group: ['**/listeners/**'], message: 'The engine knows no business.' });
  for (const name of PACKAGES) {
    if (packages.includes(name)) continue;
    const typesOnly = name === '@mikro-orm/*' && packages.includes('type:@mikro-orm/core');
    patterns.push({
      group: [name, ...(name.endsWith('*') ? [] : [`${name}/**`])],
      message: `${name} has one owner, and it is not ${folder}.`,
      ...(typesOnly ? { allowTypeImports: true } : {}),
    });
  }
  return { patterns };
}

export default defineConfig({
  ignorePatterns: ['dist/**', 'node_modules/**', '.cache/**', 'coverage/**'],
  plugins: ['typescript', 'unicorn', 'oxc', 'import', 'promise', 'vitest'],
  categories: { correctness: 'error', suspicious: 'error' },
  rules: {
    'typescript/no-floating-promises': 'error',
    'typescript/no-misused-promises': 'error',
    'typescript/no-explicit-any': 'error',
    'typescript/consistent-type-imports': 'error',
    'no-console': 'error',
    'import/no-cycle': 'error',
    // A `throw` inside `.catch` and a wait inside a loop are both how this code reads best.
    'no-await-in-loop': 'off',
    // Assertions that narrow a driver's answer say so beside themselves.
    'typescript/no-unsafe-type-assertion': 'off',
    'unicorn/consistent-function-scoping': 'off',
    'import/no-unassigned-import': 'off',
    'no-shadow': 'off',
    'no-underscore-dangle': 'off',
    'promise/always-return': 'off',
    'promise/no-multiple-resolved': 'off',
    'vitest/require-mock-type-parameters': 'off',
    'promise/no-callback-in-promise': 'off',
    'import/no-named-as-default-member': 'off',
    'unicorn/no-array-sort': 'off',
    'typescript/no-unnecessary-type-arguments': 'off',
    'typescript/consistent-return': 'off',
    'no-unmodified-loop-condition': 'off',
    'vitest/expect-expect': 'off',
    'vitest/valid-expect': ['error', { maxArgs: 2 }],
  },
  overrides: [
    ...IMPORT_TABLE.map((row) => ({
      files: [row.folder === 'src/broker' ? 'src/broker/*.ts' : `${row.folder}/**/*.ts`],
      rules: { 'no-restricted-imports': ['error', restrictions(row)] as never },
    })),
    { files: ['src/**/*.ts'], rules: { 'no-process-env': 'error' } },
    { files: ['src/cli/config.ts'], rules: { 'no-process-env': 'off' } },
    {
      files: ['test/**', 'bench/**', 'scripts/**'],
      rules: {
        'no-console': 'off',
        'typescript/unbound-method': 'off',
        'typescript/no-extraneous-class': 'off',
        'typescript/require-array-sort-compare': 'off',
      },
    },
  ],
});
