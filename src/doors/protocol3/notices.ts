// Durable events that are no runs, as the events existing clients follow: pairing, approvals, voice settings, heartbeats, injected words.

import type { SealedEvent } from '../../domain/event.ts';
import { toPending } from '../../features/devices/methods.ts';
import { heartbeatEvent } from '../../features/heartbeats/methods.ts';
import { injectedMessage } from '../../features/sessions/views.ts';
import type { BroadcastOptions } from '../ws.ts';

/** An event for clients, as the WebSocket door broadcasts it. */
export type Notice = readonly [event: string, payload: unknown, options: BroadcastOptions];

const KEPT = { dropIfSlow: false } as const;

/** What clients are told of an event, if they are. */
export function noticeOf({ body, at, actor, sessionKey, sealedSeq }: SealedEvent): Notice | undefined {
  switch (body.kind) {
    case 'pairing.requested':
      return ['device.pair.requested', toPending(body.request), { dropIfSlow: true, scope: 'operator.pairing' }];
    case 'pairing.resolved': {
      if (body.decision === 'expired') return undefined;
      const { requestId, deviceId, decision } = body;
      return ['device.pair.resolved', { requestId, deviceId, decision, ts: at }, { dropIfSlow: true, scope: 'operator.pairing' }];
    }
    case 'approval.requested': {
      if (body.approval.kind !== 'exec') return undefined;
      const { id, request, createdAt, deadlineAt } = body.approval;
      return ['exec.approval.requested', { id, request, createdAtMs: createdAt, expiresAtMs: deadlineAt }, { ...KEPT, scope: 'operator.approvals' }];
    }
    case 'approval.resolved': {
      const { id, decision } = body.approval;
      if (decision === null || body.approval.kind !== 'exec') return undefined; // expired: clients know the deadline
      return ['exec.approval.resolved', { id, decision, resolvedBy: actor, ts: at }, { ...KEPT, scope: 'operator.approvals' }];
    }
    case 'setting.changed':
      if (body.name === 'voicewake') return ['voicewake.changed', { triggers: body.value }, { dropIfSlow: true }];
      return body.name === 'talk' ? ['talk.mode', body.value, { dropIfSlow: true }] : undefined;
    case 'cron': {
      const { kind: _kind, ...told } = body;
      return ['cron', told, { dropIfSlow: true }];
    }
    case 'run.ended': {
      if (body.run !== 'heartbeat') return undefined;
      const { state, text, startedAt = null } = body;
      return ['heartbeat', heartbeatEvent({ state, text, startedAt, endedAt: at }), { dropIfSlow: true }];
    }
    case 'session.said':
      return ['chat', { runId: `inject-${sealedSeq}`, sessionKey, seq: 0, state: 'final', message: injectedMessage(body.text, at) }, KEPT];
    default:
      return undefined;
  }
}
