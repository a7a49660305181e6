/** What the protocol calls the ways to refuse a request; the wire layer turns the name into its number. */
export type RefusalCode =
  | 'BAD_REQUEST'
  | 'ILLEGAL_TOPIC'
  | 'ILLEGAL_CONSUMER_GROUP'
  | 'ILLEGAL_MESSAGE_TAG'
  | 'ILLEGAL_MESSAGE_KEY'
  | 'ILLEGAL_MESSAGE_GROUP'
  | 'ILLEGAL_MESSAGE_PROPERTY_KEY'
  | 'ILLEGAL_MESSAGE_ID'
  | 'ILLEGAL_FILTER_EXPRESSION'
  | 'ILLEGAL_INVISIBLE_TIME'
  | 'ILLEGAL_DELIVERY_TIME'
  | 'ILLEGAL_POLLING_TIME'
  | 'INVALID_RECEIPT_HANDLE'
  | 'INVALID_TRANSACTION_ID'
  | 'MESSAGE_PROPERTY_CONFLICT_WITH_TYPE'
  | 'MESSAGE_CORRUPTED'
  | 'MESSAGE_BODY_TOO_LARGE'
  | 'MESSAGE_BODY_EMPTY'
  | 'MESSAGE_PROPERTIES_TOO_LARGE'
  | 'CLIENT_ID_REQUIRED'
  | 'UNRECOGNIZED_CLIENT_TYPE'
  | 'TOPIC_NOT_FOUND'
  | 'MESSAGE_NOT_FOUND'
  | 'TOO_MANY_REQUESTS'
  | 'INTERNAL_SERVER_ERROR'
  | 'HA_NOT_AVAILABLE'
  | 'PROXY_TIMEOUT';

/** A request that is answered with a status other than OK. Nothing was changed, unless the code says that nobody knows. */
export class Refusal extends Error {
  readonly code: RefusalCode;

  constructor(code: RefusalCode, message: string) {
    super(message);
    this.name = 'Refusal';
    this.code = code;
  }
}
