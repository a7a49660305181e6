import { connect as connectTls, type TLSSocket } from 'node:tls';
import { isIP } from 'node:net';
import { messageOf } from '../../shared/error-message.ts';
import { withDeadline } from '../../shared/deadline.ts';
import { parseAddress } from '../stack/remoting-client.ts';
import { rowsOf } from './database-checks.ts';
import { type Finding, fail, ok, warn } from './finding.ts';
import type { Patient } from './patient.ts';
import type { DoctorCheck } from './run-checks.ts';

const HANDSHAKE_TIMEOUT_MS = 5_000;
const DAY_MS = 86_400_000;
/** Time enough for somebody to notice and act. */
const SOON_DAYS = 21;

/** What a TLS server showed. */
export interface Shown {
  readonly validTo: Date;
  /** Why Node would refuse it; `undefined` when it would not. */
  readonly refusal: string | undefined;
}

/** Asks for the certificate and trusts nobody: what is wrong with it is the finding. Rejects where no TLS is spoken. */
export function showCertificate(
  host: string,
  port: number,
  options: { readonly ca?: string | undefined; readonly protocols?: string[] } = {},
): Promise<Shown> {
  let socket: TLSSocket | undefined;
  const shown = new Promise<Shown>((resolve, reject) => {
    socket = connectTls({
      host,
      port,
      rejectUnauthorized: false,
      ...(isIP(host) ? {} : { servername: host }),
      ...(options.ca === undefined ? {} : { ca: options.ca }),
      ...(options.protocols === undefined ? {} : { ALPNProtocols: options.protocols }),
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the connection was closed')));
    socket.once('secureConnect', () => {
      const { authorizationError, authorized } = socket!;
      const { valid_to: validTo } = socket!.getPeerCertificate();
      resolve({ validTo: new Date(validTo), refusal: authorized ? undefined : String(authorizationError ?? 'not trusted') });
    });
  });
  return withDeadline(shown, HANDSHAKE_TIMEOUT_MS, () => new Error(`no TLS within ${HANDSHAKE_TIMEOUT_MS} ms`)).finally(() =>
    socket?.destroy(),
  );
}

export function judgeCertificate({ validTo, refusal }: Shown, now: Date, about: string): Finding {
  const days = Math.floor((validTo.getTime() - now.getTime()) / DAY_MS);
  const renew = 'renew the certificate where the server has it';
  if (days < 0) return fail(`its certificate is out of date since ${validTo.toISOString().slice(0, 10)}`, renew, about);
  if (refusal !== undefined)
    return fail(
      `its certificate is not trusted: ${refusal}`,
      'give the origin the "ca" that signed it, or start Node with NODE_EXTRA_CA_CERTS',
      about,
    );
  if (days <= SOON_DAYS) return warn(`its certificate ends in ${days} days`, renew, about);
  return ok(`its certificate is good for ${days} days`, about);
}

/** Whether what is said between this machine, broker and database can be read on the way. */
export const encryptionCheck: DoctorCheck<Patient> = {
  name: 'tls',
  timeLimitMs: 15_000,
  async look(patient) {
    const findings = [await ofBroker(patient.config.endpoints)];
    if (!patient.isSqlite) findings.push(await ofDatabase(patient));
    return findings;
  },
};

async function ofBroker(endpoints: string): Promise<Finding> {
  const { host, port } = parseAddress(endpoints);
  if (isLoopback(host)) return ok('not needed: it is on this machine', 'broker');
  // A proxy in its default mode takes both on one port.
  const offered = await showCertificate(host, port, { protocols: ['h2'] }).then(
    ({ validTo }) => `the proxy would speak TLS, with a certificate until ${validTo.toISOString().slice(0, 10)}`,
    (error: unknown) => `the proxy speaks none (${messageOf(error)})`,
  );
  return warn(
    `the commands speak to ${host} without TLS; ${offered}`,
    'keep the way to the broker inside a private network or a tunnel; services of your own may use rocketmq({ tls })',
    'broker',
  );
}

async function ofDatabase(patient: Patient): Promise<Finding> {
  const { hostname } = new URL(patient.config.databaseUrl);
  const [row] = await rowsOf<{ Value: string }>(await patient.database(), "show session status like 'Ssl_cipher'");
  if (row?.Value) return ok(`encrypted (${row.Value})`, 'database');
  if (isLoopback(hostname)) return ok('not needed: it is on this machine', 'database');
  return warn(
    `the connection to ${hostname} is not encrypted`,
    'add ?ssl={"rejectUnauthorized":true} to the database URL, or keep the way inside a private network',
    'database',
  );
}

export const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || host === '[::1]' || host.startsWith('127.');
