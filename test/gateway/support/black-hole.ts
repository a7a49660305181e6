import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';

/**
 * A port that answers nothing. The thread that listens never runs its event loop, so nobody accepts; once the short
 * backlog is full the kernel drops every further SYN. With `accepts` the backlog has room: TCP opens, and then silence.
 */
export async function startBlackHole({ accepts = false } = {}): Promise<{ origin: string; close(): Promise<void> }> {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(
    `const { workerData, parentPort } = require('node:worker_threads');
     const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: ${accepts ? 100 : 1} }, () => {
       parentPort.postMessage(server.address().port);
       setImmediate(() => Atomics.wait(workerData, 0, 0));
     });`,
    { eval: true, workerData: cell },
  );
  const [port] = (await once(worker, 'message')) as [number];
  const fillers: Socket[] = [];
  // Linux queues backlog + 1 connections; the one that stays unconnected proves that the queue is full.
  for (let isFull = accepts; !isFull;) {
    const filler = connect(port, '127.0.0.1').on('error', () => {});
    fillers.push(filler);
    isFull = await Promise.race([
      once(filler, 'connect').then(() => false),
      new Promise<boolean>((resolve) => setTimeout(resolve, 200, true)),
    ]);
  }
  return {
    origin: `http://127.0.0.1:${port}`,
    close: async () => {
      for (const filler of fillers) filler.destroy();
      Atomics.store(cell, 0, 1);
      Atomics.notify(cell, 0);
      await worker.terminate();
    },
  };
}
