import { type ExternalCall, defineExternalCall } from '../../src/index.ts';

/** What every institution of the example is asked for; the mock bank plays all of them, so they all take "payments". */
export interface Request {
  readonly orderId: string;
  readonly amountMinor: number;
  readonly currency: string;
}

/** What it answers: a number under which it can be asked to undo it. */
export interface Receipt {
  readonly paymentId: string;
}

/** A call to `origin`, which can be asked what became of it: an outcome that is unknown becomes known before anything else happens. */
export const callTo = (origin: string, name: string): ExternalCall<Request, Receipt> =>
  defineExternalCall<Request, Receipt>({
    name,
    origin,
    method: 'POST',
    path: '/payments',
    body: (request) => request,
    timeouts: { connectMs: 1_000, readMs: 3_000, totalMs: 8_000 },
    statusCheck: {
      path: (_request, key) => `/payments/${encodeURIComponent(key)}`,
      interpret({ httpStatus, response }) {
        if (httpStatus === 404 && (response as { status?: string }).status === 'ABSENT') return { status: 'ABSENT' };
        if (httpStatus !== 200) return undefined;
        const answer = response as Receipt & { readonly status: string };
        return answer.status === 'ACCEPTED' ? { status: 'SUCCESS', response: answer } : { status: 'FAIL', response: answer };
      },
    },
  });
