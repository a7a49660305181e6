/**
 * The four levels the engine logs at. A pino logger is one as it is: fields first, then a sentence.
 * Implementations must not throw and must not keep references to the fields.
 */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Says nothing. The default wherever a logger is optional. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
