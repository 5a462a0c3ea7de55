// Where durable events and live text go in this process: to clients, to those who wait, to metrics.

import type { Approval } from '../domain/approval.ts';
import type { RunEnded, SealedEvent } from '../domain/event.ts';
import type { WorkerToGateway } from '../domain/worker-frame.ts';
import { noticeOf } from '../doors/protocol3/notices.ts';
import { createRunEvents } from '../doors/protocol3/run-events.ts';
import { createRunFeed } from '../doors/run-feed.ts';
import type { WsDoor } from '../doors/ws.ts';
import type { Clock } from '../kit/clock.ts';
import { type Metrics, observe } from '../kit/metrics.ts';
import { createWaiters } from './waiters.ts';

interface FanOutOptions {
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** The door, once it stands. */
  readonly ws: () => WsDoor;
  /** A run (by id) is to be stopped, wherever it runs. */
  readonly onAbort: (runId: string) => void;
  /** Jobs have changed, or a run of one has ended. */
  readonly onCron: () => void;
  readonly onAsked: (approval: Approval) => void;
}

export function createFanOut({ clock, metrics, ws, onAbort, onCron, onAsked }: FanOutOptions) {
  const ends = createWaiters<RunEnded>();
  const decisions = createWaiters<Approval>();
  const feed = createRunFeed();
  const runEvents = createRunEvents({ clock, broadcast: (event, payload, options) => ws().broadcast(event, payload, options) });

  const onEvent = (event: SealedEvent) => {
    const { body, runKey } = event;
    runEvents.onEvent(event);
    feed.onEvent(event);
    const notice = noticeOf(event);
    if (notice) ws().broadcast(...notice);
    if (body.kind === 'run.ended') {
      metrics.runsEnded.inc({ state: body.state });
      if (runKey !== null) ends.settled(runKey, body);
      if (body.jobId !== undefined) onCron();
    } else if (body.kind === 'cron') onCron();
    else if (body.kind === 'run.abort_requested') onAbort(event.stream.slice('run:'.length));
    else if (body.kind === 'approval.requested') onAsked(body.approval);
    else if (body.kind === 'approval.resolved') decisions.settled(body.approval.id, body.approval);
    else if (body.kind === 'device.token_rotated' || body.kind === 'device.token_revoked')
      ws().expel(({ deviceId, role }) => deviceId === body.deviceId && role === body.role, 'device token is no longer valid');
  };

  return {
    feed,
    runEvents,
    whenEnded: ends.wait,
    whenDecided: decisions.wait,
    onEvent,
    onFrame: (frame: WorkerToGateway) => {
      feed.onFrame(frame);
      if (frame.kind === 'delta') runEvents.onDelta(frame);
      else if (frame.kind === 'tool') runEvents.onTool(frame);
      else if (frame.kind === 'stats') for (const observation of frame.observations) observe(metrics, observation);
    },
  };
}
