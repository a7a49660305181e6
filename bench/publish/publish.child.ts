// One way to take an order, in a process of its own, so that its processor time is nobody else's. Argument: JSON of `PublishRun`.
import { serveLoad } from '../load/serve-load.ts';
import { type PublishRun, VARIANTS } from './variants.ts';

const run = JSON.parse(process.argv[2] ?? '{}') as PublishRun;
await serveLoad(await VARIANTS[run.variant](run));
