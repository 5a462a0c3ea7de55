// What submissions, evidence and verdicts are in the store, and what every step of a proof shares.

import { PRIORITY } from '../../domain/lane.ts';
import type { GateResult, HeldOut, Waiver } from '../../domain/proof.ts';
import type { ProofStep } from '../../domain/run.ts';
import { TASK_ATTEMPTS } from '../../domain/task.ts';
import { slugOf } from '../../domain/team.ts';
import { type Author, familyOf, type VerdictWord } from '../../domain/trust.ts';
import { sha256Hex } from '../../kit/id.ts';
import { canonicalJson } from '../../kit/lines.ts';
import { type OpSteps, pick, statement, type Tx } from '../../ports/store.ts';
import type { TaskTable } from '../../ports/tables-team.ts';
import type { EvidenceTable, ValidationRequestTable, VerdictTable } from '../../ports/tables-trust.ts';
import { appendEvent } from '../events/ops.ts';
import { noticeOf, takeMessage } from '../inbox/ops.ts';
import { runById } from '../runs/rows.ts';
import { updateTask } from '../tasks/rows.ts';
import type { TaskSpec } from './spec.ts';

export interface NamedTask {
  readonly workspaceId: string;
  readonly name: string;
  readonly project?: string;
}

export const insertRequest = statement<ValidationRequestTable>()((db, p) =>
  db
    .insertInto('validation_request')
    .values(pick(p, 'id', 'workspace_id', 'task_id', 'state', 'submission', 'head', 'policy_hash', 'worker', 'isolation', 'run_id', 'opened_at', 'settled_at')),
);
export const requestById = statement<{ id: string }>()((db, p) => db.selectFrom('validation_request').selectAll().where('id', '=', p.id));
export const moveRequest = statement<Pick<ValidationRequestTable, 'id' | 'state' | 'isolation' | 'settled_at'>>()((db, p) =>
  db
    .updateTable('validation_request')
    .set(pick(p, 'state', 'isolation', 'settled_at'))
    .where('id', '=', p.id),
);
export const requestsOf = statement<{ taskId: string }>()((db, p) =>
  db.selectFrom('validation_request').selectAll().where('task_id', '=', p.taskId).orderBy('opened_at').orderBy('id'),
);
const insertEvidence = statement<EvidenceTable>()((db, p) =>
  db
    .insertInto('evidence')
    .values(pick(p, 'id', 'workspace_id', 'task_id', 'request_id', 'kind', 'digest', 'produced_by', 'body', 'at'))
    .onConflict((clash) => clash.columns(['request_id', 'digest']).doNothing())
    .returningAll(),
);
export const evidenceOf = statement<{ requestId: string }>()((db, p) =>
  db.selectFrom('evidence').selectAll().where('request_id', '=', p.requestId).orderBy('at').orderBy('id'),
);
const insertVerdict = statement<VerdictTable>()((db, p) =>
  db
    .insertInto('verdict')
    .values(pick(p, 'id', 'workspace_id', 'task_id', 'request_id', 'layer', 'word', 'commit_id', 'policy_hash', 'gates', 'author', 'reason', 'note', 'at')),
);
export const verdictsOf = statement<{ requestId: string }>()((db, p) =>
  db.selectFrom('verdict').selectAll().where('request_id', '=', p.requestId).orderBy('at').orderBy('id'),
);
export const taskById = statement<{ id: string }>()((db, p) => db.selectFrom('task').selectAll().where('id', '=', p.id));

const PROOF_TIMEOUT_MS = 3_600_000;
export const ACTOR = 'prover';
export const GATEWAY: Author = { actor: 'gateway', role: null, runId: null, sessionKey: null, family: null };

/** Who asks: a person, or a run whose role, conversation and model are looked up, whatever it says of itself. */
export type Asker =
  | { readonly actor: string; readonly runId: null }
  | {
      readonly actor: string;
      readonly runId: string;
      /** The role of the run's agent, for a run that was given none of its own. */
      readonly agentRole: string | null;
    };

const latestModel = statement<{ workspaceId: string; runId: string }>()((db, p) =>
  db.selectFrom('ledger').select(['provider', 'model']).where('workspace_id', '=', p.workspaceId).where('run_id', '=', p.runId).orderBy('id', 'desc').limit(1),
);

export function* authorOf(tx: Tx, workspaceId: string, by: Asker): OpSteps<Author> {
  const { actor, runId } = by;
  if (runId === null) return { actor, role: null, runId, sessionKey: null, family: 'human' };
  const run = yield* tx.one(runById, { id: runId });
  const model = yield* tx.one(latestModel, { workspaceId, runId });
  return {
    actor,
    role: run?.role ?? by.agentRole,
    runId,
    sessionKey: run?.session_key ?? null,
    family: model ? familyOf(model) : null,
    ...(model && { model: `${model.provider}/${model.model}` }),
  };
}

/** As whom somebody moves tasks. */
export const rightsOf = ({ family, role }: Author): string => (family === 'human' ? 'human' : (role ?? 'an agent without a role'));

export const specOf = ({ spec }: TaskTable): TaskSpec | null => (spec === null ? null : (JSON.parse(spec) as TaskSpec)); // written by specTask

/** `nth` tells apart what is done again for the same submission. */
export function proofRun(task: TaskTable, id: string, proof: { readonly requestId: string; readonly step: ProofStep }, nth = 1) {
  return {
    workspaceId: task.workspace_id,
    actor: ACTOR,
    runKey: `${proof.step}:${proof.requestId}${nth === 1 ? '' : `:${nth}`}`,
    id,
    kind: 'proof',
    sessionKey: null,
    agentId: 'gateway',
    lane: 'proof',
    priority: PRIORITY.spawn,
    timeoutMs: PROOF_TIMEOUT_MS,
    input: { message: `${proof.step} ${task.name}`, proof },
  } as const;
}

export interface NewEvidence {
  readonly kind: string;
  readonly producedBy: EvidenceTable['produced_by'];
  readonly body: unknown;
  readonly digest?: string;
}

export function* evidence(
  tx: Tx,
  { id, workspace_id, task_id }: Pick<ValidationRequestTable, 'id' | 'workspace_id' | 'task_id'>,
  { kind, producedBy, body, digest }: NewEvidence,
): OpSteps<void> {
  const text = JSON.stringify(body);
  const hash = digest ?? sha256Hex(canonicalJson(body));
  const kept = yield* tx.one(insertEvidence, {
    id: tx.newId('evid'),
    workspace_id,
    task_id,
    request_id: id,
    kind,
    digest: hash,
    produced_by: producedBy,
    body: text,
    at: tx.now,
  });
  if (kept) yield* seal(tx, kept, 'evidence', evidenceDigest(kept));
}

/** What of a piece of evidence is sealed in the log. */
export const evidenceDigest = ({ request_id, kind, digest, produced_by, body }: EvidenceTable) =>
  sha256Hex(canonicalJson({ request_id, kind, digest, produced_by, body }));
/** What of a verdict is sealed in the log. */
export const verdictDigest = ({ request_id, layer, word, commit_id, policy_hash, author, reason }: VerdictTable) =>
  sha256Hex(canonicalJson({ request_id, layer: Number(layer), word, commit_id, policy_hash, author, reason }));

function* seal(tx: Tx, row: Pick<EvidenceTable, 'id' | 'workspace_id' | 'task_id'>, record: 'evidence' | 'verdict', digest: string): OpSteps<void> {
  const body = { kind: 'proof.recorded', record, id: row.id, digest } as const;
  yield* appendEvent(tx, { workspaceId: row.workspace_id, stream: `task:${row.task_id}`, actor: ACTOR, body });
}

export function* requestOfRun(tx: Tx, requestId: string): OpSteps<{ request: ValidationRequestTable; task: TaskTable; spec: TaskSpec } | undefined> {
  const request = yield* tx.one(requestById, { id: requestId });
  const task = request && (yield* tx.one(taskById, { id: request.task_id }));
  const spec = task && specOf(task);
  return request && task && spec && task.request_id === request.id && request.state !== 'superseded' ? { request, task, spec } : undefined;
}

const evidenceOfTask = statement<{ taskId: string; kind: string }>()((db, p) =>
  db.selectFrom('evidence').selectAll().where('task_id', '=', p.taskId).where('kind', '=', p.kind).orderBy('at').orderBy('id'),
);

export interface KeptChecks {
  readonly checks: HeldOut;
  readonly author: Author;
  readonly at: number;
  /** How often they were written. */
  readonly nth: number;
}

/** The checks that the validator has written for a task, the latest. */
export function* checksOf(tx: Tx, taskId: string): OpSteps<KeptChecks | null> {
  const rows = yield* tx.all(evidenceOfTask, { taskId, kind: HELD_OUT });
  const latest = rows.at(-1);
  return latest ? { ...(JSON.parse(latest.body) as Pick<KeptChecks, 'checks' | 'author'>), at: latest.at, nth: rows.length } : null; // written by holdOut
}

export const HELD_OUT = 'held-out';

export const WAIVER = 'waiver';

/** The waivers of a task that hold now. */
export function* waiversOf(tx: Tx, taskId: string): OpSteps<Waiver[]> {
  const rows = yield* tx.all(evidenceOfTask, { taskId, kind: WAIVER });
  return rows.map(({ body }) => JSON.parse(body) as Waiver).filter(({ until }) => until > tx.now); // written by waiveGate
}

/** Before anything is submitted, evidence stands under the task itself. */
export const placeOf = ({ id, workspace_id }: TaskTable) => ({ id, workspace_id, task_id: id });

/** From medium risk up no code passes layer 3 without them. */
export const needsChecks = ({ policy: { risk, command } }: TaskSpec): boolean => risk !== 'low' && command !== undefined;

export function* askForChecks(tx: Tx, task: TaskTable, spec: TaskSpec, key: string): OpSteps<void> {
  const { repo, criteria, policy } = spec;
  const how = `Write checks from these criteria alone, edge cases among them, before you look at the work: task tool, action hold_out, name ${task.name}, checks { files [{ path, text }], tests }. The worker never sees them. The gateway runs them at the finished work and without it.`;
  const content = { task: task.name, project: task.project, repo, base: policy.target, command: policy.command, criteria, how };
  const notice = noticeOf({
    type: 'request',
    subject: `Held-out checks: ${task.name}`,
    content,
    box: 'validator',
    actor: ACTOR,
    key: `held-out:${key}`,
    ackByMs: 3_600_000,
  });
  yield* takeMessage(tx, task.workspace_id, notice);
}

export interface NewVerdict {
  readonly layer: number;
  readonly word: VerdictWord;
  readonly author: Author;
  readonly reason: string;
  readonly gates: readonly string[];
  readonly note?: string | undefined;
}

export function* addVerdict(tx: Tx, request: ValidationRequestTable, { layer, word, author, reason, gates, note }: NewVerdict): OpSteps<void> {
  const { id: requestId, workspace_id, task_id, head, policy_hash } = request;
  const row = {
    id: tx.newId('verd'),
    workspace_id,
    task_id,
    request_id: requestId,
    layer,
    word,
    commit_id: head,
    policy_hash,
    gates: JSON.stringify(gates),
    author: JSON.stringify(author),
    reason: reason.slice(0, 4000),
    note: note ?? null,
    at: tx.now,
  };
  yield* tx.run(insertVerdict, row);
  yield* seal(tx, row, 'verdict', verdictDigest(row));
}

export interface Refusal {
  readonly commit: string;
  readonly reason: string;
}

/** Why earlier work was sent back, oldest first. */
export function* refusalsOf(tx: Tx, { id }: Pick<TaskTable, 'id'>): OpSteps<Refusal[]> {
  const refusals: Refusal[] = [];
  for (const request of yield* tx.all(requestsOf, { taskId: id }))
    for (const { word, reason } of yield* tx.all(verdictsOf, { requestId: request.id }))
      if (word === 'FAIL' || word === 'UNSTABLE') refusals.push({ commit: request.head, reason });
  return refusals;
}

/** Refuted work returns with the report; the third time somebody must look at it. */
export function* sendBack(tx: Tx, task: TaskTable, request: ValidationRequestTable, why: string, counts = true): OpSteps<void> {
  const attempts = task.attempts + (counts ? 1 : 0);
  const state = counts && attempts >= TASK_ATTEMPTS ? 'parked' : 'ready';
  yield* updateTask(tx, task, { state, attempts }, ACTOR, why.slice(0, 500));
  const all = state === 'parked' ? { attempts: yield* refusalsOf(tx, task) } : {};
  const content = { task: task.name, project: task.project, commit: request.head, why, attempt: attempts, ...all };
  const subject = state === 'parked' ? `Parked after ${attempts} refutations: ${task.name}` : `${counts ? 'Refuted' : 'Not merged'}: ${task.name}`;
  for (const box of new Set([slugOf(task.name), state === 'parked' ? 'coordinator' : 'task-managers']))
    yield* takeMessage(
      tx,
      task.workspace_id,
      noticeOf({
        type: 'response',
        subject,
        content,
        priority: 1,
        box,
        actor: ACTOR,
        key: `refuted:${request.id}:${why.slice(0, 40)}`,
        ...(box === slugOf(task.name) && { expiresInMs: 86_400_000 }),
      }),
    );
}

export function* askForVerdict(tx: Tx, task: TaskTable, request: ValidationRequestTable, layer: 2 | 3, checks?: GateResult): OpSteps<void> {
  const content = {
    task: task.name,
    project: task.project,
    commit: request.head,
    layer,
    ...(checks && { heldOutChecks: `${checks.result}: ${checks.why}` }),
    criteria: specOf(task)?.criteria ?? [],
    how: `Look at it with the task tool (show ${task.name}), then give your verdict (verdict, layer ${layer}).`,
  };
  const notice = noticeOf({
    type: 'request',
    subject: `Layer ${layer}: ${task.name}`,
    content,
    box: layer === 2 ? 'coordinator' : 'validator',
    actor: ACTOR,
    key: `layer${layer}:${request.id}${checks ? `:${checks.digest}` : ''}`,
    ackByMs: 3_600_000,
  });
  yield* takeMessage(tx, task.workspace_id, notice);
}
