// The list of all methods: what can be asked of the gateway through any door.

import type { AnyMethod } from '../ports/method.ts';
import { agentIdentity, agentsList, modelsList } from './agents/methods.ts';
import { execApprovalsGet, execApprovalsSet } from './approvals/exec-file.ts';
import { channelsStatus, outboxList, pairingApprove, pairingList, pairingSet, routesExplain, send } from './channels/methods.ts';
import { chatInject, sessionsCompact, sessionsDelete, sessionsPatch, sessionsReset } from './chat/methods.ts';
import { configApply, configEdit, configGet, configHistory, configPatch, configSchema, configSet, configUndo } from './config/methods.ts';
import { cronAdd, cronList, cronRemove, cronRun, cronRuns, cronStatus, cronUpdate } from './cron/methods.ts';
import { approvalsList, approvalsResolve, execApprovalRequest, execApprovalResolve } from './decisions/methods.ts';
import { devicePairApprove, devicePairList, devicePairReject, deviceTokenRevoke, deviceTokenRotate } from './devices/methods.ts';
import { eventsSinceMethod } from './events/methods.ts';
import { health, healthChecks, status, systemPresence } from './health/methods.ts';
import { lastHeartbeat, setHeartbeats, systemEvent, wakeMethod } from './heartbeats/methods.ts';
import { decisionsList } from './inbox/decisions.ts';
import { inboxAck, inboxList, inboxRead, inboxSend, inboxThread } from './inbox/methods.ts';
import { logsTail } from './logs/methods.ts';
import { clusterStatus } from './nodes/methods.ts';
import { plansExport, plansImport } from './planning/folder.ts';
import {
  plansAbandon,
  plansApprove,
  plansComment,
  plansCreate,
  plansEdit,
  plansReject,
  plansShow,
  plansSplit,
  plansSubmit,
  plansTree,
  tasksDepend,
} from './planning/methods.ts';
import { runsAbort, runsGet, runsList, runsSubmit } from './runs/methods.ts';
import { chatHistory, sessionsList, sessionsPreview, sessionsResolve } from './sessions/methods.ts';
import { talkMode, voicewakeGet, voicewakeSet } from './settings/methods.ts';
import { spawnsCancel, spawnsGet, spawnsList, spawnsRequest, spawnsWait } from './spawns/methods.ts';
import { tasksAdd, tasksBudget, tasksGet, tasksLease, tasksList, tasksMove } from './tasks/methods.ts';
import { rolesExplain, rolesList, teamInit, teamShow } from './team/methods.ts';
import { toolsInvoke } from './tools/methods.ts';
import { usageCost, usageFund, usageReport } from './usage/methods.ts';
import { logVerify } from './validation/audit.ts';
import { proofReplay, proofShow, tasksHoldOut, tasksSpec, tasksSubmit, tasksVerdict, tasksWaive } from './validation/methods.ts';
import { incidentsList, incidentsResolve } from './validation/resuming.ts';
import { whyMethod } from './why/methods.ts';
import { workspaceHistory, workspacePhase, workspaceShow, workspaceStatus } from './workspace/methods.ts';

export const methods: readonly AnyMethod[] = [
  health,
  healthChecks,
  status,
  systemPresence,
  channelsStatus,
  routesExplain,
  send,
  outboxList,
  pairingList,
  pairingApprove,
  pairingSet,
  runsSubmit,
  runsGet,
  runsList,
  runsAbort,
  toolsInvoke,
  sessionsList,
  sessionsPreview,
  sessionsResolve,
  sessionsPatch,
  sessionsReset,
  sessionsDelete,
  sessionsCompact,
  chatHistory,
  chatInject,
  execApprovalRequest,
  execApprovalResolve,
  execApprovalsGet,
  execApprovalsSet,
  approvalsList,
  whyMethod,
  clusterStatus,
  usageCost,
  usageReport,
  usageFund,
  cronList,
  cronStatus,
  cronAdd,
  cronUpdate,
  cronRemove,
  cronRun,
  cronRuns,
  approvalsResolve,
  inboxSend,
  inboxList,
  inboxRead,
  inboxAck,
  inboxThread,
  decisionsList,
  workspaceStatus,
  workspacePhase,
  workspaceHistory,
  workspaceShow,
  rolesList,
  rolesExplain,
  teamInit,
  teamShow,
  tasksList,
  tasksGet,
  tasksAdd,
  tasksMove,
  tasksDepend,
  tasksLease,
  tasksBudget,
  plansCreate,
  plansEdit,
  plansSubmit,
  plansApprove,
  plansReject,
  plansComment,
  plansAbandon,
  plansShow,
  plansTree,
  plansSplit,
  plansExport,
  plansImport,
  tasksSpec,
  tasksSubmit,
  tasksHoldOut,
  tasksVerdict,
  tasksWaive,
  proofShow,
  proofReplay,
  logVerify,
  incidentsList,
  incidentsResolve,
  spawnsRequest,
  spawnsGet,
  spawnsList,
  spawnsCancel,
  spawnsWait,
  devicePairList,
  devicePairApprove,
  devicePairReject,
  deviceTokenRotate,
  deviceTokenRevoke,
  lastHeartbeat,
  setHeartbeats,
  wakeMethod,
  systemEvent,
  voicewakeGet,
  voicewakeSet,
  talkMode,
  agentsList,
  agentIdentity,
  modelsList,
  configGet,
  configSet,
  configPatch,
  configApply,
  configEdit,
  configHistory,
  configUndo,
  configSchema,
  logsTail,
  eventsSinceMethod,
];
