import { MessageView, type MessageQueue, ReceiveMessageResponse, StatusChecker, type definition, type service } from './client-package.ts';

export interface DecodedBatch {
  readonly views: readonly MessageView[];
  readonly undecodable: readonly { readonly message: definition.Message; readonly reason: unknown }[];
}

/**
 * The client builds all views of a batch at once, and one bad gzip or missing digest rejects up to 32 messages, which
 * then stay invisible. Here each is decoded alone. Throws the broker's refusal only when there is no message: those
 * that came before it are ours to work.
 */
export function decodeEachOnItsOwn(responses: readonly service.ReceiveMessageResponse[], queue: MessageQueue): DecodedBatch {
  const views: MessageView[] = [];
  const undecodable: { message: definition.Message; reason: unknown }[] = [];
  for (const message of responses.flatMap((response) => response.getMessage() ?? [])) {
    try {
      const view = new MessageView(message, queue);
      if (view.corrupted) throw new Error('the body does not match its digest');
      views.push(view);
    } catch (reason) {
      undecodable.push({ message, reason });
    }
  }
  if (views.length + undecodable.length === 0) {
    for (const response of responses) {
      if (response.getContentCase() === ReceiveMessageResponse.ContentCase.STATUS) StatusChecker.check(response.getStatus()?.toObject());
    }
  }
  return { views, undecodable };
}
