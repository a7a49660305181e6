import { Refusal } from './refusal.ts';

/** Says which delivery an acknowledgement is for. */
export interface ReceiptHandle {
  readonly id: number;
  readonly deliveredAt: number;
  readonly invisibleMs: number;
}

/** Every handle of the protocol has nine fields; clients keep it as it is. */
const FIELDS = 9;

export function encodeReceipt(handle: ReceiptHandle, brokerName: string, queueId: number, queueOffset: number): string {
  const { id, deliveredAt, invisibleMs } = handle;
  return `${queueOffset} ${deliveredAt} ${invisibleMs} 0 0 ${brokerName} ${queueId} ${queueOffset} ${id}`;
}

/** Refuses what no broker ever handed out as `ReceiptHandle.decode` does, with an internal error. */
export function decodeReceipt(text: string): ReceiptHandle {
  const fields = text.split(' ');
  if (fields.length < FIELDS - 1) throw new Refusal('INTERNAL_SERVER_ERROR', `Parse failed, dataList size ${fields.length}`);
  const [deliveredAt, invisibleMs, id] = [fields[1], fields[2], fields[FIELDS - 1] ?? '-1'].map(Number);
  if (!Number.isSafeInteger(deliveredAt) || !Number.isSafeInteger(invisibleMs) || !Number.isSafeInteger(id))
    throw new Refusal('INTERNAL_SERVER_ERROR', `For input string: ${JSON.stringify(text.slice(0, 200))}`);
  return { id: id!, deliveredAt: deliveredAt!, invisibleMs: invisibleMs! };
}

/** An acknowledgement that comes after the invisible time is over is refused: the message is somebody else's by then. */
export function requireNotExpired(handle: ReceiptHandle, now: number): void {
  if (handle.deliveredAt + handle.invisibleMs <= now) throw new Refusal('INVALID_RECEIPT_HANDLE', 'receipt handle is expired');
}
