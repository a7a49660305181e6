import { type MessageQueue, Permission, type TopicRouteData } from './client-package.ts';

const ALLOWS = {
  write: new Set<number>([Permission.WRITE, Permission.READ_WRITE]),
  read: new Set<number>([Permission.READ, Permission.READ_WRITE]),
};

/**
 * Takes the queues of a route in turn. The client's balancers keep only queues numbered 0 (they mean broker 0), the
 * producer's never hears of a new route, and it avoids an address for ever after one failure there. Of the queue the
 * proxy uses only the broker.
 */
export class QueueRotation {
  #next = 0;

  take(route: TopicRouteData, access: keyof typeof ALLOWS): MessageQueue {
    const queues = route.messageQueues.filter((queue) => ALLOWS[access].has(queue.permission));
    const queue = queues[this.#next++ % queues.length];
    if (queue === undefined) throw new Error(`the topic has no queue to ${access}`);
    return queue;
  }
}
