import { brokerCheck, groupsCheck, topicsCheck } from './broker-checks.ts';
import { brokerClockCheck, brokerDiskCheck, brokerSettingsCheck } from './broker-state.ts';
import { databaseCheck, databaseClockCheck, migrationsCheck, primaryCheck } from './database-checks.ts';
import { durabilityCheck } from './durability.ts';
import { encryptionCheck } from './encryption.ts';
import { grantsCheck } from './grants.ts';
import { checkBackCheck, halfMessageCheck } from './half-message-probe.ts';
import { replicationGrantsCheck } from './replication-grants.ts';
import { diskCheck, nodeCheck } from './machine-checks.ts';
import { originsCheck, reachCheck } from './origins.ts';
import type { Patient } from './patient.ts';
import type { DoctorCheck } from './run-checks.ts';

export interface DoctorOptions {
  /** Leaves a half message without END until the broker asks. */
  readonly probeCheckBack: boolean;
  /** How long it waits for that question. */
  readonly probeMs: number;
  /** Speaks to institutions: DNS, TCP and TLS, no request. */
  readonly reachOrigins: boolean;
}

/** Every check, in the order they are told. */
export const allChecks = ({ probeCheckBack, probeMs, reachOrigins }: DoctorOptions): readonly DoctorCheck<Patient>[] => [
  nodeCheck,
  brokerCheck,
  topicsCheck,
  groupsCheck,
  halfMessageCheck,
  checkBackCheck(probeCheckBack, probeMs),
  brokerSettingsCheck,
  brokerDiskCheck,
  brokerClockCheck,
  databaseCheck,
  primaryCheck,
  durabilityCheck,
  databaseClockCheck,
  migrationsCheck,
  grantsCheck,
  replicationGrantsCheck,
  encryptionCheck,
  diskCheck,
  originsCheck,
  reachCheck(reachOrigins),
];
