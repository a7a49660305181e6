import { spawn } from 'node:child_process';

/**
 * Runs `command` with `sh` once this process ends, however it ends: kill -9, a crash, a power cut of its terminal. A
 * small shell of its own session holds the other end of a pipe; the kernel closes ours when we die, and no handler of
 * ours has to run. Gives the way to call it off.
 *
 * Why not exit handlers: they do not run on SIGKILL. Why not PR_SET_PDEATHSIG: Node cannot set it and macOS has none.
 */
export function runAfterOurDeath(command: string): () => void {
  const guard = spawn('sh', ['-c', `read -r calledOff; [ "$calledOff" = off ] || { ${command}; } >/dev/null 2>&1`], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  guard.on('error', () => undefined);
  guard.stdin.on('error', () => undefined);
  // Neither the shell nor its pipe may keep an otherwise finished process alive.
  guard.unref();
  (guard.stdin as unknown as { unref?(): void }).unref?.();
  return () => {
    guard.stdin.end('off\n');
  };
}
