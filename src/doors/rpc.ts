// The one way from a door to a method: scope, input, run, and every error as a wire error.

import type { z } from 'zod';
import { authorize, type Principal } from '../domain/authorize.ts';
import { adviceFor, fault } from '../domain/fault-codes.ts';
import type { WireError } from '../domain/protocol.ts';
import { isFault, messageOf } from '../kit/fault.ts';
import type { Log } from '../kit/log.ts';
import type { Metrics } from '../kit/metrics.ts';
import { type AnyMethod, type MethodContext, PreparedJson } from '../ports/method.ts';
import { describeIssues } from './protocol3/error-text.ts';

export type RpcResult =
  | { readonly ok: true /** JSON text of the payload. */; readonly payload: string }
  | { readonly ok: false; readonly error: WireError; readonly httpStatus: number };

export interface Caller {
  readonly principal: Principal;
  /** Names the request in the log: connection and the client's own id. */
  readonly requestId: string;
  readonly replyLater: MethodContext['replyLater'];
}

interface RpcOptions {
  readonly methods: readonly AnyMethod[];
  readonly world: Pick<MethodContext, 'store' | 'gateway' | 'clock'>;
  readonly log: Log;
  readonly metrics: Metrics;
}

export type Rpc = ReturnType<typeof createRpc>;

export function createRpc({ methods, world, log, metrics }: RpcOptions) {
  const byName = new Map(methods.map((entry) => [entry.name, entry]));
  const contextFor = (principal: Principal, replyLater: MethodContext['replyLater']): MethodContext => ({
    ...world,
    principal,
    workspaceId: principal.workspaceId,
    replyLater,
  });
  return {
    contextFor,
    methodNames: methods.map(({ name }) => name),
    /** Never throws: what goes wrong is an error of the result. */
    call: async (name: string, params: unknown, { principal, requestId, replyLater }: Caller): Promise<RpcResult> => {
      const since = world.clock.elapsed();
      const entry = byName.get(name);
      let result: RpcResult;
      try {
        checkRights(principal, entry?.scope ?? 'operator.admin');
        if (!entry) throw fault('request.unknown_method', { method: name });
        const parsed = entry.input.safeParse(params ?? {});
        if (!parsed.success) throw fault('request.invalid', { method: name, problem: describeIssues(parsed.error as z.ZodError, params ?? {}) });
        const value: unknown = await entry.run(contextFor(principal, replyLater), parsed.data);
        result = { ok: true, payload: value instanceof PreparedJson ? value.text : JSON.stringify(value ?? null) };
      } catch (error) {
        if (!isFault(error))
          log.error({ method: name, request: requestId, error: error instanceof Error ? error.stack : String(error) }, 'a method failed unexpectedly');
        if (isFault(error, 'lane.full') || isFault(error, 'session.queue_full')) metrics.runsRefused.inc({ reason: error.code });
        result = { ok: false, ...toWireError(error) };
      }
      if (!result.ok) log.debug({ method: name, request: requestId, actor: principal.actor, error: result.error.message }, 'a request was refused');
      metrics.rpcCalls.observe({ method: entry?.name ?? 'unknown', ok: String(result.ok) }, (world.clock.elapsed() - since) / 1000);
      return result;
    },
  };
}

function checkRights(principal: Principal, scope: AnyMethod['scope']): void {
  const decision = authorize(principal, scope);
  if (decision.kind === 'allowed') return;
  if (decision.rule === 'role') throw fault('auth.wrong_role', { role: decision.needs });
  throw fault('auth.missing_scope', { scope: decision.needs });
}

/** Only fields the frame schema knows; the fault's own code travels in the details. */
export function toWireError(error: unknown): { readonly error: WireError; readonly httpStatus: number } {
  if (!isFault(error)) return { error: { code: 'UNAVAILABLE', message: `Error: ${messageOf(error)}` }, httpStatus: 500 };
  const { wire, http, retry } = adviceFor(error.code);
  return { error: { code: wire, message: error.message, details: { code: error.code }, ...(retry === 'later' && { retryable: true }) }, httpStatus: http };
}
