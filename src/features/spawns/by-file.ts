// Spawns that were asked for by file: nobody knows who wrote it, ids lie, and the same request may lie there twice.

import type { Config } from '../../domain/config.ts';
import { agentIds, defaultAgentId } from '../../domain/config.ts';
import { resolveModel } from '../../domain/model.ts';
import { spawnRightsOf } from '../../domain/role.ts';
import type { FileRequest } from '../../domain/spawn-file.ts';
import { canonicalAgent, roleOfAgent, rolePolicies } from '../../domain/team.ts';
import { sha256Hex, uuidOf } from '../../kit/id.ts';
import { canonicalJson } from '../../kit/lines.ts';
import { type OpSteps, readOp, statement, type Tx, txOp } from '../../ports/store.ts';
import type { SpawnTable } from '../../ports/tables-work.ts';
import { runById } from '../runs/rows.ts';
import { orderOf } from './methods.ts';
import { requestSpawn, type SpawnRequest } from './ops.ts';
import { findSpawn, type SpawnView, viewSpawn } from './rows.ts';

interface ByFile extends Omit<SpawnRequest, 'parentRunId' | 'requestKey'> {
  /** Of what is asked, without the id that its writer gave. */
  readonly likeness: string;
  readonly requestId: string;
  /** Names the run that asks, if it lives: only a label, and only good for a place in the tree. */
  readonly requestedBy: string | null;
}

const aliasOf = statement<{ workspaceId: string; key: string }>()((db, p) =>
  db.selectFrom('spawn_alias').select('spawn_id').where('workspace_id', '=', p.workspaceId).where('request_key', '=', p.key),
);
const insertAlias = statement<{ workspaceId: string; key: string; spawnId: string }>()((db, p) =>
  db.insertInto('spawn_alias').values({ workspace_id: p.workspaceId, request_key: p.key, spawn_id: p.spawnId }),
);
const liveLike = statement<{ workspaceId: string; from: string; to: string }>()((db, p) =>
  db
    .selectFrom('spawn')
    .leftJoin('run', 'run.id', 'spawn.child_run_id')
    .selectAll('spawn')
    .where('spawn.workspace_id', '=', p.workspaceId)
    .where('spawn.request_key', '>=', p.from)
    .where('spawn.request_key', '<', p.to)
    .where((row) => row.or([row('spawn.state', '=', 'awaiting_grant'), row('run.state', 'in', ['queued', 'running', 'waiting'])]))
    .limit(1),
);
const liveByLabel = statement<{ workspaceId: string; label: string }>()((db, p) =>
  db
    .selectFrom('spawn')
    .innerJoin('run', 'run.id', 'spawn.child_run_id')
    .select('run.id')
    .where('spawn.workspace_id', '=', p.workspaceId)
    .where('spawn.label', '=', p.label)
    .where('run.state', 'in', ['running', 'waiting'])
    .orderBy('run.queued_at', 'desc')
    .limit(1),
);
const spawnByKey = statement<{ workspaceId: string; key: string }>()((db, p) =>
  db.selectFrom('spawn').selectAll().where('workspace_id', '=', p.workspaceId).where('request_key', '=', p.key),
);
const ahead = statement<{ workspaceId: string; lane: string; tag: number; id: string }>()((db, p) =>
  db
    .selectFrom('run')
    .select((row) => row.fn.countAll<number>().as('n'))
    .where('workspace_id', '=', p.workspaceId)
    .where('lane', '=', p.lane)
    .where('state', '=', 'queued')
    .where((row) => row.or([row('fair_tag', '<', p.tag), row.and([row('fair_tag', '=', p.tag), row('id', '<', p.id)])])),
);

export interface FiledSpawn {
  readonly spawn: SpawnView;
  /** Its place among those that wait; 0 when it does not wait. */
  readonly position: number;
}

/** Starts what a file asks for, once: the same file again is the same spawn, and so is an equal request while one is under way. */
export const requestByFile = txOp('spawns.byFile', function* (tx, { likeness, requestId, requestedBy, ...request }: ByFile): OpSteps<FiledSpawn> {
  const { workspaceId } = request;
  const prefix = `file:${likeness}:`;
  const key = `${prefix}${sha256Hex(requestId).slice(0, 16)}`;
  const before = yield* knownBy(tx, workspaceId, key);
  if (before) return yield* filed(tx, before);
  const like = yield* tx.one(liveLike, { workspaceId, from: prefix, to: `file:${likeness};` });
  if (like) {
    yield* tx.run(insertAlias, { workspaceId, key, spawnId: like.id });
    return yield* filed(tx, like);
  }
  const parent = requestedBy === null ? undefined : yield* tx.one(liveByLabel, { workspaceId, label: requestedBy });
  yield* requestSpawn.body(tx, { ...request, requestKey: key, parentRunId: parent?.id ?? null });
  const spawn = yield* knownBy(tx, workspaceId, key);
  if (!spawn) throw new Error(`the spawn ${key} was not stored`);
  return yield* filed(tx, spawn);
});

export const filedSpawn = readOp('spawns.filed', function* (tx, { workspaceId, id }: { workspaceId: string; id: string }): OpSteps<FiledSpawn> {
  return yield* filed(tx, yield* findSpawn(tx, { workspaceId, name: id }));
});

function* knownBy(tx: Tx, workspaceId: string, key: string): OpSteps<SpawnTable | undefined> {
  const own = yield* tx.one(spawnByKey, { workspaceId, key });
  if (own) return own;
  const alias = yield* tx.one(aliasOf, { workspaceId, key });
  return alias && (yield* findSpawn(tx, { workspaceId, name: alias.spawn_id }));
}

function* filed(tx: Tx, row: SpawnTable): OpSteps<FiledSpawn> {
  const run = yield* tx.one(runById, { id: row.child_run_id });
  const waits = run?.state === 'queued' && run.started_at === null;
  const before = waits ? yield* tx.one(ahead, { workspaceId: run.workspace_id, lane: run.lane, tag: run.fair_tag, id: run.id }) : undefined;
  return { spawn: yield* viewSpawn(tx, row), position: waits ? Number(before?.n ?? 0) + 1 : 0 };
}

/** What a file asks for, by the owner's policy. It has the rights of the role it claims and never more than a plain sub-agent's. */
export function filedRequest(config: Config, workspaceId: string, request: FileRequest): ByFile {
  const { requestId, requestedBy, label, task, role, thinking, timeoutSeconds, urgent } = request;
  const agents = agentIds(config);
  const ofRole = role === null ? undefined : agents.find((id) => roleOfAgent(config, id) === role);
  const named = request.agentId !== null && agents.includes(request.agentId) ? request.agentId : undefined;
  const agentId = named ?? ofRole ?? defaultAgentId(config);
  const level = (['off', 'minimal', 'low', 'medium', 'high'] as const).find((one) => one === thinking);
  const order = orderOf(
    {
      task,
      ...(request.commands && { commands: request.commands.map(({ argv, cwd }) => ({ argv: [...argv], ...(cwd !== undefined && { cwd }) })) }),
      priority: urgent ? 'urgent' : 'spawn',
      ...(role !== null && { role }),
      ...(request.model !== null && { model: request.model }),
      ...(level !== undefined && { thinking: level }),
      ...(timeoutSeconds !== undefined && { runTimeoutSeconds: timeoutSeconds }),
    },
    config,
  );
  const likeness = sha256Hex(canonicalJson({ requestedBy, label, task, role, model: request.model, commands: request.commands ?? null })).slice(0, 32);
  const requester = requestedBy === null ? null : canonicalAgent(config, requestedBy);
  const claimed = Object.entries(rolePolicies(config)).find(([, { box }]) => box === requester)?.[0];
  const names = uuidOf(`${workspaceId} file ${likeness} ${requestId}`);
  return {
    workspaceId,
    actor: `file:${requester ?? 'unknown'}`,
    likeness,
    requestId,
    requestedBy,
    spawnerRole: null,
    claimedRole: role === null || claimed === undefined ? null : (claimed as ByFile['claimedRole'] & string), // a key of the policies
    agentId,
    agentAllowed: true,
    role,
    label,
    order: { ...order, childPolicy: 'adopt' },
    limits: config.agents.defaults.subagents,
    rights: spawnRightsOf(rolePolicies(config)),
    cleanup: 'keep',
    childSessionKey: `agent:${agentId}:subagent:${names}`,
    childRunKey: uuidOf(`${names} run`),
  };
}

/** Why a model cannot be had, with the names that can; undefined when it can. */
export function modelProblem(config: Config, written: string | null): string | undefined {
  if (written === null) return undefined;
  const { provider, model } = resolveModel(written, config);
  const configured = Object.keys(config.models.providers);
  const known = config.models.providers[provider]?.models?.map(({ id }) => id);
  const isClaude = provider === 'anthropic' && /^claude-(opus|sonnet|haiku|fable|[345])/.test(model);
  if (isClaude || (provider === 'openai' && /^(gpt|o\d|codex)/.test(model))) return undefined;
  if (provider !== 'anthropic' && configured.includes(provider) && (known === undefined || known.includes(model))) return undefined;
  const names = ['opus', 'sonnet', 'haiku', ...configured.flatMap((name) => (config.models.providers[name]?.models ?? []).map(({ id }) => `${name}/${id}`))];
  return `no model "${written}" is known: use ${names.join(', ')}`;
}
