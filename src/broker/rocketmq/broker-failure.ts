import {
  BadRequestException,
  ClientException,
  ForbiddenException,
  NotFoundException,
  PayloadTooLargeException,
  PaymentRequiredException,
  RequestHeaderFieldsTooLargeException,
  UnauthorizedException,
} from './client-package.ts';

const REFUSALS = [
  BadRequestException,
  ForbiddenException,
  NotFoundException,
  PayloadTooLargeException,
  PaymentRequiredException,
  RequestHeaderFieldsTooLargeException,
  UnauthorizedException,
];

/**
 * Whether the broker understood and refused: the same request is refused again, and nothing was stored. Everything else
 * (transport status, 500xx, 504xx, 429) may be tried again, and on a send leaves open whether the message exists.
 */
export function isRefusal(error: unknown): boolean {
  return error instanceof TypeError || REFUSALS.some((refusal) => error instanceof refusal);
}

/** One line for people: what came back, with its code, without the client's empty request id. */
export function describeFailure(error: unknown): string {
  if (error instanceof ClientException) return `${error.code} ${error.message.replace(/^\[request-id=[^\]]*\] /, '')}`;
  return error instanceof Error ? error.message : String(error);
}
