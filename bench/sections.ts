import { benchCheckback } from './checkback.bench.ts';
import { benchEmbedded } from './embedded.bench.ts';
import { benchGateway } from './gateway.bench.ts';
import { benchPublish } from './publish.bench.ts';
import { benchReconciliation } from './reconciliation.bench.ts';
import type { Section } from './section.ts';
import { benchSegmentedLog } from './segmented-log.bench.ts';
import { benchStrategies } from './strategies.bench.ts';
import { benchTelemetry } from './telemetry.bench.ts';
import { benchWorker } from './worker.bench.ts';

/** Every section by its name: one file each, `<name>.bench.ts`, and a line here. */
export const SECTIONS: Readonly<Record<string, Section>> = {
  checkback: benchCheckback,
  embedded: benchEmbedded,
  gateway: benchGateway,
  publish: benchPublish,
  reconciliation: benchReconciliation,
  'segmented-log': benchSegmentedLog,
  strategies: benchStrategies,
  telemetry: benchTelemetry,
  worker: benchWorker,
};
