import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Origin } from './origin.ts';

type OpenSocket = (...args: [error: Error, socket: null] | [error: null, socket: Socket]) => void;

/**
 * Opens TCP and, for https, TLS with the certificate verified and `protocol` offered. Calls back once; whoever destroys the
 * socket early gets an error.
 */
export function openSocket(origin: Origin, protocol: 'http/1.1' | 'h2', done: OpenSocket): Socket {
  const { hostname, port, protocol: scheme } = new URL(origin.url);
  const isTls = scheme === 'https:';
  const host = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  const address = { host, port: Number(port || (isTls ? 443 : 80)) };
  const { ca, cert, key } = origin;
  const socket = isTls
    ? connectTls({
        ...address,
        ca,
        cert,
        key,
        ...(/[a-z]/i.test(host) && !host.includes(':') && { servername: host }),
        ALPNProtocols: [protocol],
        rejectUnauthorized: true,
      })
    : connectTcp(address);
  let isSettled = false;
  const settle = (error: Error | undefined): void => {
    if (isSettled) return;
    isSettled = true;
    if (error) {
      socket.destroy();
      done(error, null);
    } else {
      done(null, socket);
    }
  };
  socket.setNoDelay(true);
  socket.once(isTls ? 'secureConnect' : 'connect', () => {
    const allowed = origin.isAddressAllowed(socket.remoteAddress ?? '');
    settle(allowed ? undefined : new Error(`address ${socket.remoteAddress} is not allowed for origin "${origin.name}"`));
  });
  socket.on('error', settle);
  socket.once('close', () => settle(new Error('closed while connecting')));
  return socket;
}
