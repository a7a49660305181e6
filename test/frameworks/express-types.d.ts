/** Express brings no types; what the example uses of them, so that one example needs no further package. */
declare module 'express' {
  import type { RequestListener } from 'node:http';

  interface Request {
    readonly body: unknown;
    readonly params: Readonly<Record<string, string | undefined>>;
  }
  interface Response {
    status(code: number): this;
    json(body: object): this;
  }
  type Handler = (request: Request, response: Response, next: () => void) => unknown;

  export interface Express extends RequestListener {
    use(handler: Handler): this;
    post(path: string, handler: Handler): this;
    get(path: string, handler: Handler): this;
  }
  const express: (() => Express) & { json(): Handler };
  export default express;
}
