// A fetch that gives up on a silent stream, and the translation of SDK errors into model faults.

import { fault } from '../../domain/fault-codes.ts';
import { type Fault, isFault, messageOf } from '../../kit/fault.ts';

/** Marks an abort made by the idle timer. */
class IdleAbort extends Error {}

/**
 * A fetch whose idle timer is armed again by every chunk. The SDKs' own timeouts end with the headers,
 * so a stream that stalls in the middle would otherwise hang for ever.
 */
export function fetchWithIdleLimit(idleMs: number): typeof fetch {
  return async (input, init) => {
    const idle = new AbortController();
    const expire = () => idle.abort(new IdleAbort(`no data for ${idleMs} ms`));
    let timer = setTimeout(expire, idleMs);
    const signal = init?.signal ? AbortSignal.any([init.signal, idle.signal]) : idle.signal;
    try {
      const response = await fetch(input, { ...init, signal });
      if (!response.body) {
        clearTimeout(timer);
        return response;
      }
      const guard = new TransformStream<Uint8Array, Uint8Array>({
        transform: (chunk, controller) => {
          clearTimeout(timer);
          timer = setTimeout(expire, idleMs);
          controller.enqueue(chunk);
        },
        flush: () => clearTimeout(timer),
      });
      signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
      const { status, statusText, headers } = response;
      return new Response(response.body.pipeThrough(guard), { status, statusText, headers });
    } catch (error) {
      clearTimeout(timer);
      throw error;
    }
  };
}

interface HttpError {
  readonly status?: number;
  readonly headers?: { readonly get?: (name: string) => string | null };
  readonly error?: { readonly type?: string; readonly error?: { readonly type?: string } };
  readonly cause?: unknown;
}

const BY_STATUS: Readonly<Record<number, Parameters<typeof fault>[0]>> = {
  400: 'model.invalid',
  401: 'model.auth',
  402: 'model.billing',
  403: 'model.auth',
  404: 'model.not_found',
  413: 'model.invalid',
  422: 'model.invalid',
  429: 'model.rate_limited',
  503: 'model.overloaded',
  529: 'model.overloaded',
};
const BY_TYPE: Readonly<Record<string, Parameters<typeof fault>[0]>> = {
  overloaded_error: 'model.overloaded',
  rate_limit_error: 'model.rate_limited',
  authentication_error: 'model.auth',
  permission_error: 'model.auth',
  billing_error: 'model.billing',
  invalid_request_error: 'model.invalid',
  not_found_error: 'model.not_found',
};

/** The fault of whatever an SDK threw. */
export function modelFault(error: unknown, idleMs: number): Fault {
  if (isFault(error)) return error;
  const { status, headers, error: body, cause } = error as HttpError; // both SDKs put these on their errors
  if (error instanceof IdleAbort || cause instanceof IdleAbort || /no data for \d+ ms/.test(messageOf(error))) {
    return fault('model.stalled', { idleMs });
  }
  const type = body?.error?.type ?? body?.type ?? '';
  const code =
    BY_TYPE[type] ?? (status === undefined ? undefined : BY_STATUS[status]) ?? (status !== undefined && status >= 500 ? 'model.overloaded' : 'model.network');
  return fault(code, { reason: messageOf(error), retryAfterMs: retryAfter(headers?.get?.('retry-after') ?? null) });
}

/** Milliseconds of a retry-after header in seconds; a date is left to the back-off. */
function retryAfter(header: string | null): number | null {
  const seconds = header === null ? Number.NaN : Number(header);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : null;
}
