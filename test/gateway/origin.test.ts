import { describe, expect, it } from 'vitest';
import { resolveOrigin } from '../../src/gateway/origin.ts';

describe('resolveOrigin', () => {
  it.each(['https://bank.example', 'http://127.0.0.1:8080', 'https://[::1]:8443/'])('takes %s', (url) => {
    expect(resolveOrigin('bank', url).url).toBe(new URL(url).origin);
  });

  it.each([
    'bank.example',
    '',
    'ftp://bank.example',
    'https://bank.example/v1',
    'https://bank.example?x=1',
    'https://bank.example#x',
    'https://user:canary@bank.example',
    'https://canary@bank.example',
  ])('refuses %j, without repeating it', (url) => {
    expect(() => resolveOrigin('bank', url)).toThrow(expect.objectContaining({ code: 'CB_CONFIGURATION' }));
    expect(() => resolveOrigin('bank', url)).not.toThrow(/canary/);
  });

  it('refuses options that cannot work', () => {
    expect(() => resolveOrigin('bank', { url: 'https://bank.example', maxConnections: 0 })).toThrow(/maxConnections.*got 0/);
    expect(() => resolveOrigin('bank', { url: 'https://bank.example', allowAddresses: ['10.0.0.0'] })).toThrow(/10\.0\.0\.0/);
    expect(() => resolveOrigin('bank', { url: 'https://bank.example', headers: { authorization: 'canary\r\n' } })).not.toThrow(/canary/);
  });

  it('keeps away from link-local addresses, where clouds keep their credentials', () => {
    const { isAddressAllowed } = resolveOrigin('bank', 'https://bank.example');
    expect(['169.254.169.254', '::ffff:169.254.169.254', 'fe80::1'].map(isAddressAllowed)).toEqual([false, false, false]);
    expect(['127.0.0.1', '10.1.2.3', '93.184.216.34', '2001:db8::1'].map(isAddressAllowed)).toEqual([true, true, true, true]);
  });

  it('keeps to the blocks it is given', () => {
    const { isAddressAllowed } = resolveOrigin('bank', { url: 'https://bank.example', allowAddresses: ['10.0.0.0/8', '2001:db8::/32'] });
    expect(['10.1.2.3', '::ffff:10.1.2.3', '2001:db8::1'].map(isAddressAllowed)).toEqual([true, true, true]);
    expect(['11.0.0.1', '127.0.0.1', '2001:db9::1', ''].map(isAddressAllowed)).toEqual([false, false, false, false]);
  });
});
