import type { OutgoingMessage } from '../broker/message.ts';
import { runLocalTransaction } from './local-transaction.ts';
import type { HalfMessageView } from './lookup.ts';
import type { Publication } from './publish-protocol.ts';
import type { ResolvedPublisherOptions } from './publisher-options.ts';
import type { FencedSession } from './transaction-database.ts';

/**
 * The local transaction with its messages as its last step, for strategies without a half: `take` gets them, after a
 * deadlock again. Returns what the look-up asks by.
 */
export async function runWithMessages<Input>(
  session: FencedSession,
  publication: Publication<Input>,
  options: ResolvedPublisherOptions,
  take: (messages: OutgoingMessage[]) => Promise<void> | void,
): Promise<HalfMessageView> {
  let refused: unknown;
  let view: HalfMessageView | undefined;
  await runLocalTransaction(session, publication, options, async (produced) => {
    let messages: OutgoingMessage[];
    try {
      const prepared = publication.messages(produced);
      view = prepared[0]!.view;
      messages = prepared.map(({ message }) => message);
    } catch (error) {
      throw (refused = error);
    }
    await take(messages);
  }).catch((error: unknown) => {
    // A message that cannot be carried is told as itself, as with a half that leaves after `execute`.
    throw refused ?? error;
  });
  return view!;
}
