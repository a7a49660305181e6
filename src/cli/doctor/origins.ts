import { lookup } from 'node:dns/promises';
import { resolveOriginLimits } from '../../gateway/origin-limits.ts';
import { type Origin, resolveOrigin } from '../../gateway/origin.ts';
import type { AnyStepWork } from '../../saga/define-saga.ts';
import { messageOf } from '../../shared/error-message.ts';
import type { LoadedConfig } from '../config.ts';
import { judgeCertificate, showCertificate } from './encryption.ts';
import { type Finding, fail, ok, skipped, warn } from './finding.ts';
import { type Patient, canConnect } from './patient.ts';
import type { DoctorCheck } from './run-checks.ts';

const CONNECT_TIMEOUT_MS = 5_000;

type Config = Pick<LoadedConfig, 'origins' | 'gateway' | 'messageListeners' | 'sagas'>;

/** Institutions as the configuration describes them. Sends nothing to any of them. */
export const originsCheck: DoctorCheck<Patient> = {
  name: 'origins',
  timeLimitMs: 2_000,
  look: async ({ config }) => judgeOrigins(config),
};

export function judgeOrigins(config: Config): Finding[] {
  const calls = callsOf(config);
  const names = new Set([...Object.keys(config.origins), ...calls.map(({ origin }) => origin)]);
  if (names.size === 0) return [skipped('not checked: the configuration calls nobody')];
  return [...names].map((name) => {
    const given = config.origins[name];
    const callers = calls.filter(({ origin }) => origin === name);
    if (given === undefined)
      return fail(
        `${callers.map(({ who }) => who).join(', ')} calls it, and nobody says where it is`,
        `set CHECKBACK_ORIGINS=${name}=https://… or "origins" in the configuration`,
        name,
      );
    return judgeOrigin(name, given, config, callers);
  });
}

function judgeOrigin(
  name: string,
  given: NonNullable<Config['origins'][string]>,
  config: Config,
  callers: ReturnType<typeof callsOf>,
): Finding {
  let origin: Origin;
  let hasCircuit: boolean;
  try {
    origin = resolveOrigin(name, given);
    const limits = resolveOriginLimits(
      `origins.${name}`,
      typeof given === 'string' ? {} : given,
      config.gateway ?? {},
      origin.maxConnections,
    );
    hasCircuit = limits.circuit !== undefined;
  } catch (error) {
    return fail(messageOf(error), 'correct the origin in the configuration', name);
  }
  const unanswerable = callers.filter(({ hasStatusCheck }) => !hasStatusCheck).map(({ call }) => call);
  if (unanswerable.length > 0)
    return warn(
      `${unanswerable.join(', ')} has no statusCheck: each unknown outcome waits for a person`,
      'say in "statusCheck" of the call how the institution is asked whether a request arrived',
      name,
    );
  if (!hasCircuit)
    return warn('its circuit never opens: while it fails, every message is tried and postponed', 'leave circuit at its default', name);
  if (origin.url.startsWith('http:')) return warn(`${origin.url} is not encrypted`, 'use https', name);
  return ok(`${origin.url}${callers.length === 0 ? ', which no listener calls' : ''}`, name);
}

/** Names resolve, ports take connections, certificates hold: a look from outside, on demand only. */
export function reachCheck(isWanted: boolean): DoctorCheck<Patient> {
  return {
    name: 'reach origins',
    timeLimitMs: 20_000,
    async look({ config }) {
      if (!isWanted) return [skipped('not checked: nobody outside is spoken to unasked', 'run with --reach-origins')];
      return Promise.all(Object.entries(config.origins).map(([name, given]) => reach(name, given)));
    },
  };
}

async function reach(name: string, given: NonNullable<Config['origins'][string]>): Promise<Finding> {
  let origin: Origin;
  try {
    origin = resolveOrigin(name, given);
  } catch {
    return skipped('not checked: it is described wrongly', undefined, name);
  }
  const { protocol, hostname, port } = new URL(origin.url);
  const host = hostname.replace(/^\[|\]$/g, '');
  const number = Number(port || (protocol === 'https:' ? 443 : 80));
  try {
    const { address } = await lookup(host);
    if (!origin.isAddressAllowed(address))
      return fail(`${host} is ${address}, which allowAddresses refuses`, 'correct the name, or allow its address', name);
    if (protocol === 'http:') {
      await canConnect(`${address.includes(':') ? host : address}:${number}`, CONNECT_TIMEOUT_MS);
      return ok(`${host}:${number} takes connections`, name);
    }
    return judgeCertificate(await showCertificate(host, number, { ca: origin.ca }), new Date(), name);
  } catch (error) {
    return fail(
      `${host}:${number} cannot be reached: ${messageOf(error)}`,
      'look at name, firewall and proxy between here and there',
      name,
    );
  }
}

function callsOf({ messageListeners = [], sagas = [] }: Config) {
  const ofListeners = messageListeners.flatMap(({ name, call }) =>
    call === undefined ? [] : [{ who: `message listener "${name}"`, call }],
  );
  const ofSagas = sagas.flatMap(({ name, steps }) =>
    steps
      .flatMap(({ action, compensation }): (AnyStepWork | undefined)[] => [action, compensation])
      .flatMap((work) => (typeof work === 'object' ? [{ who: `saga "${name}"`, call: work.call }] : [])),
  );
  return [...ofListeners, ...ofSagas].map(({ who, call }) => ({
    who,
    call: call.name,
    origin: call.origin,
    // A request that changes nothing may simply be made again.
    hasStatusCheck: call.statusCheck !== undefined || call.method === 'GET',
  }));
}
