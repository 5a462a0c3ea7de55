// The list of all store operations: what the store thread can carry out.

import type { AnyOp } from '../ports/store.ts';
import { getApproval, listApprovals, requestApproval } from './approvals/ops.ts';
import { beginLive, closeQuestion, dueOutgoing, getOutgoing, listOutgoing, noteProgress, queueOutgoing, settleEntry, wakeOutgoing } from './channels/outbox.ts';
import { approvePeer, listPeers, setPeer } from './channels/peers.ts';
import { activePlaces, forgetOldEvents, lookAtMessage, receive } from './channels/receive.ts';
import { sayInChannel } from './channels/say.ts';
import { carryOutCommand, compactSession, deleteSession, injectMessage, patchSession, resetSession, setModelOverride } from './chat/ops.ts';
import { cronSlots, getCronJob, listCronJobs, nextCronSlot, putCronJob, removeCronJob, runCronJob, settleCron, tickCron } from './cron/ops.ts';
import { expireApprovals, resolveApproval } from './decisions/ops.ts';
import { decidePairing, getDeviceGrant, listDevices, noteTokenUse, pairDevice, requestPairing, revokeToken, rotateToken } from './devices/ops.ts';
import { eventCursor, eventsSince } from './events/ops.ts';
import { listAlerts, settleAlerts } from './health/alerts.ts';
import { measureHealth } from './health/measure.ts';
import { beatHeart, lastHeartbeatEnd, wakeSession } from './heartbeats/ops.ts';
import { openDecisions } from './inbox/decisions.ts';
import { noteMessageFiles, openMessageFiles, settledMessageFiles, takenFromBox, unshownMessages } from './inbox/files.ts';
import { boxOfRun } from './inbox/mail.ts';
import { ackMessage, countBoxes, listMessages, messageThread, readMessage, takeMessages } from './inbox/ops.ts';
import { goRounds } from './inbox/rounds.ts';
import { listRefusals, noteRefusal } from './models/ops.ts';
import { beginNode, endNode, keepNode, viewCluster } from './nodes/ops.ts';
import { abandonItem, commentItem, createItem, editItem, getItem } from './planning/items.ts';
import { approveItem, rejectItem, submitItem } from './planning/review.ts';
import { dependTask, splitStory } from './planning/split.ts';
import { planItems, planTrees, showItem } from './planning/tree.ts';
import { claimRuns } from './runs/claim.ts';
import { finishRun, reapRuns, recordStep, recordSummary, releaseRun, renewLeases, reserveCall, suspendRun, takeUrgentMail } from './runs/lease-ops.ts';
import { abortRuns, getRun, laneLoads, listRuns, setLanes, submitMessage, submitNested, submitRun } from './runs/ops.ts';
import { importSession } from './sessions/import.ts';
import { getSession, getSessionById, listSessions, readEntries, readLatestEntries, searchEntries, sessionGist } from './sessions/ops.ts';
import { pendingSystemEvents } from './sessions/system-events.ts';
import { getSetting, publishFiles, putSetting } from './settings/ops.ts';
import { filedSpawn, requestByFile } from './spawns/by-file.ts';
import { cancelSpawn, childrenOf, getSpawn, listSpawns, requestSpawn, tidySessions } from './spawns/ops.ts';
import { budgetTask, leaseTask, workOrder } from './tasks/lease.ts';
import { addTask, getTask, listTasks, moveTask, takeWorkFile } from './tasks/ops.ts';
import { beatsToShow, noteBeats, restartTask, tendTasks } from './tasks/tend.ts';
import { fundBudget, spendingSince } from './usage/ops.ts';
import { auditChain, auditTasks } from './validation/audit.ts';
import { holdOut, settleHeldOut } from './validation/held-out.ts';
import { settleMerge } from './validation/merging.ts';
import { proofPage } from './validation/page.ts';
import { beginProof, recordGate, settleProof, specTask, stallProof, submitTask } from './validation/proving.ts';
import { replayProof, settleReplay } from './validation/replay.ts';
import { listIncidents, resolveIncident } from './validation/resuming.ts';
import { giveVerdict } from './validation/verdicts.ts';
import { waiveGate } from './validation/waivers.ts';
import { explain } from './why/ops.ts';
import { beginWorker, endWorker, forgetProcess, noteProcess } from './workers/ops.ts';
import { choosePhases } from './workspace/phases.ts';
import { fileVersion, fileVersions, keepVersion, keptFiles, progressOf } from './workspace/versions.ts';

export const ops: readonly AnyOp[] = [
  expireApprovals,
  getApproval,
  listApprovals,
  requestApproval,
  choosePhases,
  fileVersion,
  fileVersions,
  keepVersion,
  keptFiles,
  progressOf,
  specTask,
  submitTask,
  beginProof,
  recordGate,
  settleProof,
  stallProof,
  giveVerdict,
  settleMerge,
  holdOut,
  settleHeldOut,
  replayProof,
  settleReplay,
  waiveGate,
  proofPage,
  addTask,
  getTask,
  listTasks,
  moveTask,
  budgetTask,
  leaseTask,
  workOrder,
  abandonItem,
  approveItem,
  commentItem,
  createItem,
  editItem,
  getItem,
  rejectItem,
  submitItem,
  dependTask,
  splitStory,
  planItems,
  planTrees,
  showItem,
  takeWorkFile,
  beatsToShow,
  noteBeats,
  restartTask,
  tendTasks,
  requestSpawn,
  filedSpawn,
  requestByFile,
  cancelSpawn,
  childrenOf,
  getSpawn,
  listSpawns,
  tidySessions,
  resolveApproval,
  activePlaces,
  forgetOldEvents,
  lookAtMessage,
  receive,
  beginLive,
  closeQuestion,
  dueOutgoing,
  getOutgoing,
  listOutgoing,
  noteProgress,
  queueOutgoing,
  settleEntry,
  wakeOutgoing,
  sayInChannel,
  approvePeer,
  listPeers,
  setPeer,
  carryOutCommand,
  compactSession,
  deleteSession,
  injectMessage,
  patchSession,
  resetSession,
  setModelOverride,
  cronSlots,
  getCronJob,
  listCronJobs,
  nextCronSlot,
  putCronJob,
  removeCronJob,
  runCronJob,
  settleCron,
  tickCron,
  decidePairing,
  getDeviceGrant,
  listDevices,
  noteTokenUse,
  pairDevice,
  requestPairing,
  revokeToken,
  rotateToken,
  listIncidents,
  resolveIncident,
  auditChain,
  auditTasks,
  eventCursor,
  eventsSince,
  listAlerts,
  settleAlerts,
  measureHealth,
  beatHeart,
  lastHeartbeatEnd,
  pendingSystemEvents,
  wakeSession,
  listRefusals,
  noteRefusal,
  claimRuns,
  finishRun,
  reapRuns,
  recordStep,
  recordSummary,
  releaseRun,
  renewLeases,
  reserveCall,
  suspendRun,
  takeUrgentMail,
  ackMessage,
  noteMessageFiles,
  openMessageFiles,
  settledMessageFiles,
  takenFromBox,
  unshownMessages,
  boxOfRun,
  openDecisions,
  countBoxes,
  goRounds,
  listMessages,
  messageThread,
  readMessage,
  takeMessages,
  abortRuns,
  getRun,
  laneLoads,
  listRuns,
  setLanes,
  submitMessage,
  submitNested,
  submitRun,
  importSession,
  getSession,
  getSessionById,
  listSessions,
  readEntries,
  readLatestEntries,
  searchEntries,
  sessionGist,
  getSetting,
  putSetting,
  publishFiles,
  fundBudget,
  spendingSince,
  explain,
  beginNode,
  keepNode,
  viewCluster,
  beginWorker,
  endNode,
  endWorker,
  forgetProcess,
  noteProcess,
];
