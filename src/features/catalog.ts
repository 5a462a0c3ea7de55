// The list of all methods: what can be asked of the gateway through any door.

import type { AnyMethod } from '../ports/method.ts';
import { agentsList, modelsList } from './agents/methods.ts';
import { configGet } from './config/methods.ts';
import { eventsSinceMethod } from './events/methods.ts';
import { channelsStatus, health, status, systemPresence } from './health/methods.ts';
import { logsTail } from './logs/methods.ts';
import { runsAbort, runsGet, runsList, runsSubmit } from './runs/methods.ts';
import { chatHistory, sessionsList } from './sessions/methods.ts';

export const methods: readonly AnyMethod[] = [
  health,
  status,
  systemPresence,
  channelsStatus,
  runsSubmit,
  runsGet,
  runsList,
  runsAbort,
  sessionsList,
  chatHistory,
  agentsList,
  modelsList,
  configGet,
  logsTail,
  eventsSinceMethod,
];
