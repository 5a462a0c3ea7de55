// health, status, system-presence: what is going on, from snapshots and indexed rows.

import { z } from 'zod';
import type { Degraded, Finding } from '../../domain/checks.ts';
import { agentIds, type Config, defaultAgentId } from '../../domain/config.ts';
import { ACK_MAX_CHARS, heartbeatPlan } from '../../domain/heartbeat.ts';
import { modelChain } from '../../domain/model.ts';
import { sessionKind } from '../../domain/session.ts';
import { type ChannelStatus, type MethodContext, method, PreparedJson } from '../../ports/method.ts';
import type { SessionTable } from '../../ports/tables.ts';
import { laneLoads } from '../runs/ops.ts';
import { listSessions } from '../sessions/ops.ts';
import { pendingSystemEvents } from '../sessions/system-events.ts';
import { type AlertView, listAlerts } from './alerts.ts';

const NoInput = z.strictObject({});
const Anything = z.record(z.string(), z.unknown());
const RECENT = 5;

export const health = method({
  name: 'health',
  scope: 'operator.read',
  about: 'Whether the gateway works: store, workers, sandbox, configuration, latest sessions.',
  input: z.strictObject({ probe: z.boolean().optional() }),
  output: Anything,
  run: async ({ gateway, clock }) => new PreparedJson(`{"ok":true,"ts":${clock.now()},"durationMs":0,${await gateway.healthBody()}}`),
});

/** Everything of a health answer but its time, as JSON without the outer braces. */
export async function healthBody({ store, workspaceId, gateway, clock }: Pick<MethodContext, 'store' | 'workspaceId' | 'gateway' | 'clock'>): Promise<string> {
  const { config, source, issues, warnings, path } = gateway.config();
  const { total, rows } = await store.call(listSessions, { workspaceId, since: 0, limit: RECENT });
  const lanes = await store.call(laneLoads, { workspaceId });
  const sessions = {
    path: sessionsPath(gateway.stateDir, defaultAgentId(config)),
    count: total,
    recent: rows.map((row) => ({ key: row.key, updatedAt: row.updated_at, age: clock.now() - row.updated_at })),
  };
  const body = {
    ...channelFacts(gateway.channels()),
    degraded: gateway.watch()?.degraded.modes.map(({ mode }) => mode) ?? [],
    heartbeatSeconds: heartbeatPlan(config, defaultAgentId(config)).everyMs / 1000,
    defaultAgentId: defaultAgentId(config),
    agents: agentIds(config).map((agentId) => ({
      agentId,
      isDefault: agentId === defaultAgentId(config),
      heartbeat: heartbeatFacts(config, agentId),
      sandbox: gateway.sandbox(agentId),
      sessions: { ...sessions, path: sessionsPath(gateway.stateDir, agentId) },
    })),
    sessions,
    version: gateway.version,
    pid: gateway.pid,
    startedAt: gateway.startedAt,
    config: { path, source, issues, warnings },
    workers: gateway.workers(),
    lanes,
    logFile: gateway.logFile(),
  };
  return JSON.stringify(body).slice(1, -1);
}

function channelFacts(accounts: readonly ChannelStatus[]) {
  const ids = [...new Set(accounts.map(({ channel }) => channel.id))];
  const first = (id: string) => accounts.find(({ channel }) => channel.id === id);
  return {
    channels: Object.fromEntries(ids.map((id) => [id, { configured: first(id)?.isConfigured ?? false, connected: first(id)?.state?.state === 'connected' }])),
    channelOrder: ids,
    channelLabels: Object.fromEntries(accounts.map(({ channel }) => [channel.id, channel.label])),
  };
}

function heartbeatFacts(config: Config, agentId: string) {
  const { enabled, every, everyMs, prompt } = heartbeatPlan(config, agentId);
  return { enabled, every, everyMs, prompt, target: 'last', ackMaxChars: ACK_MAX_CHARS };
}

function sessionsPath(stateDir: string, agentId: string): string {
  return `${stateDir}/agents/${agentId}/sessions/sessions.json`;
}

export const status = method({
  name: 'status',
  scope: 'operator.read',
  about: 'Sessions by agent with their use of the context window, heartbeats, queued system events.',
  input: NoInput,
  output: Anything,
  run: async ({ store, workspaceId, gateway, clock }) => {
    const { config } = gateway.config();
    const { total, rows } = await store.call(listSessions, { workspaceId, since: 0, limit: 10 });
    const recent = rows.map((row) => statusRow(row, config, clock.now()));
    return {
      heartbeat: {
        defaultAgentId: defaultAgentId(config),
        agents: agentIds(config).map((agentId) => {
          const { enabled, every, everyMs } = heartbeatPlan(config, agentId);
          return { agentId, enabled, every, everyMs };
        }),
      },
      channelSummary: gateway.channels().map(({ channel, account, state }) => `${channel.label}/${account}: ${state?.state ?? 'not here'}`),
      queuedSystemEvents: (await store.call(pendingSystemEvents, { workspaceId })).map(({ text }) => text),
      sessions: {
        paths: agentIds(config).map((agentId) => sessionsPath(gateway.stateDir, agentId)),
        count: total,
        defaults: { model: modelChain(config, defaultAgentId(config), null)[0]?.model ?? '', contextTokens: config.agents.defaults.contextTokens },
        recent,
        byAgent: agentIds(config).map((agentId) => {
          const own = recent.filter((row) => row.agentId === agentId);
          return { agentId, path: sessionsPath(gateway.stateDir, agentId), count: own.length, recent: own };
        }),
      },
    };
  },
});

function statusRow(row: SessionTable, config: Config, now: number) {
  const contextTokens = config.agents.defaults.contextTokens;
  const used = row.context_tokens;
  return {
    agentId: row.agent_id,
    key: row.key,
    kind: sessionKind(row.key),
    sessionId: row.id,
    updatedAt: row.updated_at,
    age: now - row.updated_at,
    systemSent: row.last_seq > 0,
    inputTokens: row.input_tokens,
    outputTokens: row.output_tokens,
    totalTokens: used,
    remainingTokens: Math.max(0, contextTokens - used),
    percentUsed: Math.round((100 * used) / contextTokens),
    model: row.last_model ?? '',
    contextTokens,
    flags: [`id:${row.id}`],
  };
}

export const systemPresence = method({
  name: 'system-presence',
  scope: 'operator.read',
  about: 'Who is connected: the gateway itself and its clients.',
  input: NoInput,
  output: z.array(z.unknown()),
  run: async ({ gateway }) => [...gateway.presence()],
});

export const healthChecks = method({
  name: 'health.checks',
  scope: 'operator.read',
  about: 'All checks with their evidence and what to do, the degraded modes, and the latest alerts.',
  input: z.strictObject({ limit: z.int().min(1).max(500).optional() }),
  output: z.object({
    at: z.number().nullable(),
    findings: z.array(z.custom<Finding>()),
    degraded: z.custom<Degraded>(),
    alerts: z.array(z.custom<AlertView>()),
  }),
  run: async ({ store, workspaceId, gateway }, { limit = 20 }) => {
    const last = gateway.watch();
    return {
      at: last?.at ?? null,
      findings: [...(last?.findings ?? [])],
      degraded: last?.degraded ?? { modes: [], held: [] },
      alerts: await store.call(listAlerts, { workspaceId, limit }),
    };
  },
});
