// Stops when it is asked to, and takes until its standard input ends to clear up.
import { once } from 'node:events';
import { untilStopped } from '../../../src/cli/until-stopped.ts';

process.on('disconnect', () => console.log('disconnected'));
const stopped = untilStopped();
console.log('ready');
console.log(await stopped);
process.stdin.resume();
await once(process.stdin, 'end');
