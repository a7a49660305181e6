import { Endpoints } from 'rocketmq-client-nodejs';
import { describe, expect, it } from 'vitest';
import { rocketmq } from '../../src/broker/rocketmq/rocketmq.ts';
import { ConfigurationError } from '../../src/errors.ts';

describe('rocketmq options', () => {
  it.each(['127.0.0.1:8081', 'broker.internal:8081'])('takes one host and port: %s', (endpoints) => {
    expect(() => rocketmq({ endpoints })).not.toThrow();
  });

  it('are checked because the bare client takes anything and connects somewhere else', () => {
    expect(new Endpoints('a:8081;b:8081').getGrpcTarget()).toBe('a:8081,b:8081');
    expect(new Endpoints('http://a:8081').getGrpcTarget()).toBe('http:80');
    expect(new Endpoints('[::1]:8081').getGrpcTarget()).toBe('[:80');
    expect(new Endpoints('a').getGrpcTarget()).toBe('a:80');
  });

  it.each([
    ['', /it is empty/],
    ['a:8081;b:8081', /several addresses/],
    ['a:8081,b:8081', /several addresses/],
    ['http://a:8081', /leave the scheme out/],
    ['::1', /IPv6/],
    ['[::1]:8081', /IPv6/],
    ['a', /the port must be/],
    ['a:0', /the port must be/],
    ['a:70000', /the port must be/],
    [':8081', /the host is missing/],
    [undefined, /it is empty/],
  ])('refuses the endpoint %j, with its value', (endpoints, message) => {
    expect(() => rocketmq({ endpoints: endpoints as string })).toThrow(message);
    expect(() => rocketmq({ endpoints: endpoints as string })).toThrow(ConfigurationError);
  });

  it.each([
    [{ requestTimeoutMs: 10 }, /requestTimeoutMs must be at least 1000 ms, got 10/],
    [{ startTimeoutMs: Number.NaN }, /startTimeoutMs .* got NaN/],
    [{ path: 'fast' }, /path must be "lean" or "official", got "fast"/],
    [{ maxAttempts: 3 }, /unknown option "maxAttempts"/],
  ])('refuses %j', (options, message) => {
    expect(() => rocketmq({ endpoints: 'a:1', ...(options as object) })).toThrow(message);
  });
});
