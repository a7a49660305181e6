import { Command } from 'commander';
import { stackCommand } from '../../../src/cli/commands/stack.ts';

/** `checkback` with nothing but its stack command, to be run as a process by the tests. */
await new Command('checkback').addCommand(stackCommand(process.env)).parseAsync();
