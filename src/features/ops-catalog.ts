// The list of all store operations: what the store thread can carry out.

import type { AnyOp } from '../ports/store.ts';
import { getDeviceGrant, pairDevice } from './devices/ops.ts';
import { eventCursor, eventsSince } from './events/ops.ts';
import { listRefusals, noteRefusal } from './models/ops.ts';
import { claimRuns, finishRun, reapRuns, recordStep, releaseRun, renewLeases } from './runs/lease-ops.ts';
import { abortRuns, getRun, laneLoads, listRuns, setLanes, submitRun } from './runs/ops.ts';
import { findSessionByIncarnation, getSession, listSessions, readEntries, readLatestEntries } from './sessions/ops.ts';
import { beginGateway, beginWorker, endGateway, endWorker, forgetProcess, noteProcess } from './workers/ops.ts';

export const ops: readonly AnyOp[] = [
  getDeviceGrant,
  pairDevice,
  eventCursor,
  eventsSince,
  listRefusals,
  noteRefusal,
  claimRuns,
  finishRun,
  reapRuns,
  recordStep,
  releaseRun,
  renewLeases,
  abortRuns,
  getRun,
  laneLoads,
  listRuns,
  setLanes,
  submitRun,
  findSessionByIncarnation,
  getSession,
  listSessions,
  readEntries,
  readLatestEntries,
  beginGateway,
  beginWorker,
  endGateway,
  endWorker,
  forgetProcess,
  noteProcess,
];
