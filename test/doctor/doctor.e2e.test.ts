import { describe, expect, it } from 'vitest';
import type { Examination } from '../../src/cli/doctor/finding.ts';
import { runCheckback } from '../cli/support/run-checkback.ts';
import { type Shop, openShop } from '../support/publishing-shop.ts';
import { createTopic, useStack } from '../support/stack.ts';

/** The machine may be busy: what a look in time would have found is found by a later one. */
const PATIENCE = { timeout: 100_000, interval: 500 };

interface Told {
  readonly code: number;
  readonly stderr: string;
  readonly verdicts: Readonly<Record<string, string>>;
  find(check: string, about?: string): Examination | undefined;
}

async function doctor(shop: Shop, changes: Record<string, string> = {}, ...flags: string[]): Promise<Told> {
  const env = Object.fromEntries(
    Object.entries({ ...shop.env, ...changes }).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  const args = ['doctor', '--json', '--config', 'test/e2e/support/shop.config.ts', '--namesrv', useStack().namesrvAddress!, ...flags];
  const { code, stdout, stderr } = await runCheckback(args, env);
  expect(stdout, stderr).not.toBe('');
  const { examinations } = JSON.parse(stdout) as { examinations: Examination[] };
  return {
    code,
    stderr,
    verdicts: Object.fromEntries(examinations.map(({ check, about, verdict }) => [[check, about].filter(Boolean).join(' '), verdict])),
    find: (check, about) => examinations.find((one) => one.check === check && one.about === about),
  };
}

describe('checkback doctor, on a real broker and database', () => {
  it('finds nothing that fails where everything is there, check-back included', async () => {
    await using shop = await openShop('doctor');
    await useStack().admin.createGroup(shop.group, { retryMaxTimes: 1_000 });
    await useStack().admin.createGroup(`${shop.group}-dlq-drain`, { retryMaxTimes: 1_000 });
    const look = () => doctor(shop, {}, '--probe-check-back', '--probe-ms', '60000', '--reach-origins');
    await expect
      .poll(async () => (await look()).verdicts, PATIENCE)
      .toMatchObject({
        node: 'ok',
        broker: 'ok',
        [`topics ${shop.topic}`]: 'ok',
        [`groups ${shop.group}`]: 'ok',
        [`groups ${shop.group}-dlq-drain`]: 'ok',
        [`half message ${shop.topic}`]: 'ok',
        [`check-back ${shop.topic}`]: 'ok',
        'broker disk broker-a': expect.any(String),
        'broker clock broker-a': 'ok',
        'broker settings broker-a': expect.any(String),
        database: 'ok',
        primary: 'ok',
        'database clock': 'ok',
        migrations: 'ok',
        // Its user may do everything.
        grants: 'warn',
        'tls broker': 'ok',
        'reach origins bank': 'ok',
      });
    // Nothing of the probes can be consumed.
    expect(await useStack().admin.maxOffset(shop.topic)).toBe(0);
  });

  it('names a topic that is missing, with the command that makes it, and looks at everything else', async () => {
    await using shop = await openShop('doctor-topic');
    const look = () => doctor(shop, { CHECKBACK_TEST_TOPIC: 'no-such-topic' });
    await expect
      .poll(async () => (await look()).find('topics', 'no-such-topic'), PATIENCE)
      .toMatchObject({
        verdict: 'fail',
        says: expect.stringContaining('does not exist'),
        advice: expect.stringContaining('-t no-such-topic -a +message.type=TRANSACTION'),
      });
    await expect.poll(look, PATIENCE).toMatchObject({ code: 1, verdicts: { 'half message': 'skipped', migrations: 'ok', primary: 'ok' } });
  });

  it('says that a topic has the wrong type, and which one it needs', async () => {
    await using shop = await openShop('doctor-type');
    const topic = await createTopic('NORMAL');
    await expect
      .poll(async () => (await doctor(shop, { CHECKBACK_TEST_TOPIC: topic })).find('topics', topic), PATIENCE)
      .toMatchObject({ verdict: 'fail', says: expect.stringMatching(/NORMAL.*TRANSACTION is needed/) });
  });

  it('names a group that is missing and one that gives messages up too early', async () => {
    await using shop = await openShop('doctor-group');
    await useStack().admin.createGroup(shop.group, { retryMaxTimes: 3 });
    const drain = `${shop.group}-dlq-drain`;
    const look = async () => {
      const told = await doctor(shop);
      return [told.find('groups', shop.group), told.find('groups', drain)];
    };
    await expect.poll(look, PATIENCE).toMatchObject([
      { verdict: 'fail', says: expect.stringMatching(/after 4 deliveries/) },
      { verdict: 'fail', advice: expect.stringContaining(`updateSubGroup -n <name server> -c <cluster> -g ${drain}`) },
    ]);
  });
});
