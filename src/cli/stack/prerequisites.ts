import { execFile } from 'node:child_process';
import { hasArtifacts, mariadbArtifact } from './artifacts.ts';
import { StackError } from './stack-error.ts';

/** What a native stack finds on this machine. */
export type NativeTools = {
  readonly hasJava: boolean;
  readonly hasMaven: boolean;
  readonly hasArtifacts: boolean;
  readonly hasMariadbBuild: boolean;
};

/** Why the native stack cannot run here, as the second half of a sentence; `undefined` when it can. Maven is only needed until everything is in the cache. */
export function whyNoNativeStack(tools: NativeTools): string | undefined {
  if (!tools.hasMariadbBuild) return `there is no MariaDB build for ${process.platform} ${process.arch} on Maven Central`;
  const missing = [
    ...(tools.hasJava ? [] : ['a JDK, 17 or newer (java)']),
    ...(tools.hasMaven || tools.hasArtifacts ? [] : ['Maven (mvn)']),
  ];
  return missing.length === 0 ? undefined : `${missing.join(' and ')} ${missing.length === 1 ? 'is' : 'are'} not installed`;
}

/** What helps, in one sentence; to be put after a reason. */
export const WHAT_TO_INSTALL =
  'install a JDK 17 and Maven (Debian: apt install openjdk-17-jdk-headless maven; macOS: brew install openjdk@17 maven), or start Docker, or set CHECKBACK_ROCKETMQ_ENDPOINTS and CHECKBACK_MYSQL_URL';

/** Looks at this machine. About 0.2 s. */
export async function findNativeTools(cacheDir: string): Promise<NativeTools> {
  const isCached = hasArtifacts(cacheDir);
  const [hasJava, hasMaven] = await Promise.all([
    canRun('java', ['-version'], 15_000),
    isCached ? false : canRun('mvn', ['--version'], 30_000),
  ]);
  return { hasJava, hasMaven, hasArtifacts: isCached, hasMariadbBuild: mariadbArtifact() !== undefined };
}

/** Rejects with one sentence that says what is missing and what to install. */
export async function requireNativeTools(cacheDir: string): Promise<void> {
  const reason = whyNoNativeStack(await findNativeTools(cacheDir));
  if (reason !== undefined) throw new StackError(`the native stack cannot run here, ${reason}: ${WHAT_TO_INSTALL}`);
}

/** Whether a command exists and succeeds in time. macOS has a `java` that only says that there is none: existing is not enough. */
export function canRun(command: string, args: readonly string[], timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    execFile(command, [...args], { timeout: timeoutMs, killSignal: 'SIGKILL' }, (error) => resolve(error === null));
  });
}
