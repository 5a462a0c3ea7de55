// The list of all store operations: what the store thread can carry out.

import type { AnyOp } from '../ports/store.ts';
import { expireApprovals, getApproval, listApprovals, requestApproval, resolveApproval } from './approvals/ops.ts';
import { carryOutCommand, compactSession, deleteSession, injectMessage, patchSession, resetSession } from './chat/ops.ts';
import { decidePairing, getDeviceGrant, listDevices, noteTokenUse, pairDevice, requestPairing, revokeToken, rotateToken } from './devices/ops.ts';
import { eventCursor, eventsSince } from './events/ops.ts';
import { lastHeartbeatEnd, wakeSession } from './heartbeats/ops.ts';
import { listRefusals, noteRefusal } from './models/ops.ts';
import { claimRuns } from './runs/claim.ts';
import { finishRun, reapRuns, recordStep, releaseRun, renewLeases, suspendRun } from './runs/lease-ops.ts';
import { abortRuns, getRun, laneLoads, listRuns, setLanes, submitRun } from './runs/ops.ts';
import { getSession, getSessionById, listSessions, readEntries, readLatestEntries, sessionGist } from './sessions/ops.ts';
import { pendingSystemEvents } from './sessions/system-events.ts';
import { getSetting, putSetting } from './settings/ops.ts';
import { beginGateway, beginWorker, endGateway, endWorker, forgetProcess, noteProcess } from './workers/ops.ts';

export const ops: readonly AnyOp[] = [
  expireApprovals,
  getApproval,
  listApprovals,
  requestApproval,
  resolveApproval,
  carryOutCommand,
  compactSession,
  deleteSession,
  injectMessage,
  patchSession,
  resetSession,
  decidePairing,
  getDeviceGrant,
  listDevices,
  noteTokenUse,
  pairDevice,
  requestPairing,
  revokeToken,
  rotateToken,
  eventCursor,
  eventsSince,
  lastHeartbeatEnd,
  pendingSystemEvents,
  wakeSession,
  listRefusals,
  noteRefusal,
  claimRuns,
  finishRun,
  reapRuns,
  recordStep,
  releaseRun,
  renewLeases,
  suspendRun,
  abortRuns,
  getRun,
  laneLoads,
  listRuns,
  setLanes,
  submitRun,
  getSession,
  getSessionById,
  listSessions,
  readEntries,
  readLatestEntries,
  sessionGist,
  getSetting,
  putSetting,
  beginGateway,
  beginWorker,
  endGateway,
  endWorker,
  forgetProcess,
  noteProcess,
];
