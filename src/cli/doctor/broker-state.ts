import type { Master } from './broker-remoting.ts';
import { type Finding, fail, ok, warn } from './finding.ts';
import type { Patient } from './patient.ts';
import type { DoctorCheck } from './run-checks.ts';

/** With fewer rounds a service that is down for some minutes loses orders: they are parked. */
const FEWEST_CHECKS = 100;
/** As in check-backs: more than sending a half takes. */
const MAX_CLOCK_OFFSET_MS = 10_000;
const FILE = 'docker/rocketmq/broker.conf shows the setting and says why';

const forEachMaster =
  (judge: (patient: Patient, master: Master) => Promise<readonly Finding[]>) =>
  async (patient: Patient): Promise<readonly Finding[]> => {
    const masters = await patient.remoting().masters();
    if (masters.length === 0) return [fail('the name server knows no broker', 'start a broker that announces itself to this name server')];
    return (await Promise.all(masters.map((master) => judge(patient, master)))).flat();
  };

export const brokerSettingsCheck: DoctorCheck<Patient> = {
  name: 'broker settings',
  timeLimitMs: 10_000,
  look: forEachMaster(async (patient, master) => judgeSettings(await patient.remoting().settings(master), master.name)),
};

/** What of a broker's settings weakens a promise. */
export function judgeSettings(settings: ReadonlyMap<string, string>, about: string): Finding[] {
  const findings: Finding[] = [];
  const is = (key: string, value: string): boolean => settings.get(key)?.toLowerCase() === value.toLowerCase();
  if (is('flushDiskType', 'ASYNC_FLUSH'))
    findings.push(
      warn('flushDiskType=ASYNC_FLUSH: a power cut loses acknowledged half messages', `set flushDiskType=SYNC_FLUSH; ${FILE}`, about),
    );
  const checks = Number(settings.get('transactionCheckMax'));
  if (checks < FEWEST_CHECKS)
    findings.push(
      warn(
        `transactionCheckMax=${checks}: after so many rounds, counted while nobody is online too, a committed order's message is parked`,
        `set transactionCheckMax=1000; ${FILE}`,
        about,
      ),
    );
  if (is('autoCreateTopicEnable', 'true'))
    findings.push(
      warn('autoCreateTopicEnable=true: a misspelt topic is made, of type NORMAL', `set autoCreateTopicEnable=false; ${FILE}`, about),
    );
  if (is('rejectTransactionMessage', 'true'))
    findings.push(fail('rejectTransactionMessage=true: no half message is taken', 'set rejectTransactionMessage=false', about));
  return findings.length > 0 ? findings : [ok('as recommended', about)];
}

export const brokerDiskCheck: DoctorCheck<Patient> = {
  name: 'broker disk',
  timeLimitMs: 10_000,
  look: forEachMaster(async (patient, master) => {
    const [runtime, settings] = await Promise.all([patient.remoting().runtime(master), patient.remoting().settings(master)]);
    return [judgeDisk(runtime, settings, master.name)];
  }),
};

/** The broker deletes old messages at one mark and refuses new ones at another. */
export function judgeDisk(runtime: Readonly<Record<string, string>>, settings: ReadonlyMap<string, string>, about: string): Finding {
  const used = Math.round(Math.max(Number(runtime['commitLogDiskRatio']), Number(runtime['consumeQueueDiskRatio'] ?? 0)) * 100);
  if (!Number.isFinite(used)) return warn('the broker does not say how full its disk is', 'look at the disk of its store', about);
  const cleansAt = Number(settings.get('diskMaxUsedSpaceRatio') ?? 75);
  const refusesAt = Number(settings.get('diskSpaceWarningLevelRatio') ?? 90);
  const advice = 'give the store of the broker more room, or lower fileReservedTime';
  if (used >= refusesAt) return fail(`its disk is ${used} % full, and at ${refusesAt} % it takes no message any more`, advice, about);
  if (used >= cleansAt)
    return warn(`its disk is ${used} % full; from ${cleansAt} % on it deletes messages, half messages among them`, advice, about);
  return ok(`its disk is ${used} % full`, about);
}

export const brokerClockCheck: DoctorCheck<Patient> = {
  name: 'broker clock',
  timeLimitMs: 10_000,
  look: forEachMaster(async (patient, master) => {
    const remoting = patient.remoting();
    // The second answer comes over a connection that is open.
    await remoting.runtime(master);
    const askedAt = Date.now();
    const runtime = await remoting.runtime(master);
    return [judgeClock(runtime, askedAt, Date.now(), master.name)];
  }),
};

/** `bootTimestamp` and `runtime` ("[ 0 days, 0 hours, 9 minutes, 56 seconds ]") make the broker's own time, cut to seconds. */
export function judgeClock(runtime: Readonly<Record<string, string>>, askedAt: number, answeredAt: number, about: string): Finding {
  const [days, hours, minutes, seconds] = (runtime['runtime']?.match(/\d+/g) ?? []).map(Number);
  const bootedAt = Number(runtime['bootTimestamp']);
  if (!Number.isFinite(bootedAt) || seconds === undefined)
    return warn('the broker does not tell its time', 'compare the clocks of the machines by hand', about);
  const least = bootedAt + (((days! * 24 + hours!) * 60 + minutes!) * 60 + seconds) * 1_000;
  // Only what lies outside of what is possible is an offset for certain.
  const offsetMs = least > answeredAt ? least - answeredAt : Math.min(0, least + 1_000 - askedAt);
  if (Math.abs(offsetMs) < MAX_CLOCK_OFFSET_MS)
    return ok(`its clock agrees with this machine's to about ${Math.ceil(Math.abs(offsetMs) / 1_000) + 1} s`, about);
  return fail(
    `its clock is ${Math.round(Math.abs(offsetMs) / 1_000)} s ${offsetMs > 0 ? 'ahead of' : 'behind'} this machine's: check-backs come at the wrong time`,
    'synchronise the clocks (NTP) of broker and services',
    about,
  );
}
