import { benchEmbedded } from './embedded.bench.ts';
import { benchGateway } from './gateway.bench.ts';
import { benchReconciliation } from './reconciliation.bench.ts';
import type { Section } from './section.ts';
import { benchWorker } from './worker.bench.ts';

/** Every section by its name: one file each, `<name>.bench.ts`, and a line here. */
export const SECTIONS: Readonly<Record<string, Section>> = {
  embedded: benchEmbedded,
  gateway: benchGateway,
  reconciliation: benchReconciliation,
  worker: benchWorker,
};
