import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { BROKER_PORT_OFFSETS, chooseFreePorts } from '../../../src/cli/stack/ports.ts';

describe('Chosen ports', () => {
  test('are all different, the broker’s neighbours included', async () => {
    const { broker, ...others } = await chooseFreePorts();
    const all = [...BROKER_PORT_OFFSETS.map((offset) => broker + offset), ...Object.values(others)];
    expect(new Set(all).size).toBe(7);
  });

  test('lie below the ports of outgoing connections', async () => {
    for (const port of Object.values(await chooseFreePorts())) expect(port).toBeLessThan(32_768 - 1);
  });

  test('are free again for the servers', async () => {
    const ports = await chooseFreePorts();
    expect(await chooseFreePorts(ports)).toEqual(ports);
  });

  test.each([
    ['broker', 0],
    ['broker', -2],
    ['broker', 1],
    ['grpc', 0],
  ] as const)('refuse a wanted %s port when port%+d is in use, naming it', async (name, offset) => {
    const ports = await chooseFreePorts();
    const busy = createServer();
    await new Promise<void>((resolve) => busy.listen(ports[name] + offset, '127.0.0.1', resolve));
    await expect(chooseFreePorts({ [name]: ports[name] })).rejects.toThrow(new RegExp(`${ports[name]}.*wanted for ${name} is in use`));
    await new Promise((resolve) => busy.close(resolve));
  });

  test('are refused outside 3–65534', async () => {
    await expect(chooseFreePorts({ mysql: 70_000 })).rejects.toThrow('port mysql must be 3–65534, got 70000');
  });
});
