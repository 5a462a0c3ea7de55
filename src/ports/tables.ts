// The tables, as types. Ids are text with a prefix, instants are epoch milliseconds, JSON is text.

import type { ApprovalState } from '../domain/approval.ts';
import type { AttemptEnd, ChildPolicy, RunKind, RunState } from '../domain/run.ts';
import type { AlertTable, InboundTable, OutboxTable, PeerTable, PlaceTable } from './tables-channels.ts';
import type { DependencyTable, IncidentTable, PlanCommentTable, PlanItemTable } from './tables-plan.ts';
import type { FileVersionTable, HeartbeatTable, MessageTable, SpawnAliasTable, TaskTable } from './tables-team.ts';
import type { EvidenceTable, ValidationRequestTable, VerdictTable } from './tables-trust.ts';
import type {
  BudgetNoteTable,
  CronJobTable,
  CronSlotTable,
  LedgerTable,
  ReservationTable,
  SpawnTable,
  SpendTable,
  WaitOnTable,
  WorkSpendTable,
} from './tables-work.ts';

export interface SessionTable {
  /** The session id that clients know. A reset archives the row and begins one with a new id under the same key. */
  id: string;
  workspace_id: string;
  key: string;
  agent_id: string;
  label: string | null;
  model_override: string | null;
  last_seq: number;
  input_tokens: number;
  output_tokens: number;
  context_tokens: number;
  last_model: string | null;
  aborted_last_run: number;
  created_at: number;
  updated_at: number;
  /** JSON of SessionSettings. */
  settings: string;
  spawned_by: string | null;
  /** First sequence that is still shown to the model; what is older stays readable. */
  context_from: number;
  archived_at: number | null;
  /** JSON of Address: where its people spoke last. */
  route: string | null;
}

interface EntryTable {
  session_id: string;
  seq: number;
  workspace_id: string;
  run_id: string | null;
  kind: string;
  body: string;
  at: number;
}

export interface RunTable {
  id: string;
  workspace_id: string;
  /** The key the client sent: its name for this run. */
  client_key: string;
  kind: RunKind;
  /** Null for work that belongs to no conversation. */
  session_id: string | null;
  session_key: string | null;
  agent_id: string;
  lane: string;
  priority: number;
  state: RunState;
  /** Who asked. */
  actor: string;
  /** JSON of RunInput. */
  input: string;
  /** JSON of RunOutcome, set with the terminal state. */
  outcome: string | null;
  timeout_ms: number;
  deadline_at: number | null;
  not_before: number;
  queued_at: number;
  started_at: number | null;
  ended_at: number | null;
  fence: number;
  worker_id: string | null;
  lease_until: number | null;
  deaths: number;
  abort_reason: string | null;
  /** Sequence of the user's message in the session, once the run has started. */
  user_seq: number | null;
  /** The first run of the tree of work: its own id, or its parent's root. */
  root_id: string;
  parent_id: string | null;
  /** Spawns between the root and this run. */
  depth: number;
  child_policy: ChildPolicy | null;
  role: string | null;
  job_id: string | null;
  /** Place in the lane: see domain/lane. */
  fair_tag: number;
  /** JSON of Wait: what a waiting run waits for; kept until its next attempt has begun. */
  wait: string | null;
  wait_since: number | null;
  wait_until: number | null;
  /** The run that answered this message together with its own. */
  collected_by: string | null;
  /** What this run and everything below it has spent, in millionths of a US dollar. */
  spent_micros: number;
  /** The same in output and uncached input tokens. */
  spent_tokens: number;
}

interface AttemptTable {
  id: string;
  run_id: string;
  workspace_id: string;
  fence: number;
  worker_id: string;
  started_at: number;
  ended_at: number | null;
  ended: AttemptEnd | null;
}

export interface LaneTable {
  name: string;
  workspace_id: string;
  slots: number;
  /** The tag of the latest run that was taken, see domain/lane. */
  fair_clock: number;
  /** Runs that may wait here, see domain/lane. */
  longest_queue: number;
}

interface WorkerTable {
  id: string;
  workspace_id: string;
  node_id: string;
  pid: number;
  pid_started: string;
  started_at: number;
  ended_at: number | null;
}

interface ProcessTable {
  pid: number;
  pid_started: string;
  workspace_id: string;
  worker_id: string;
  run_id: string | null;
  started_at: number;
}

/** One life of a gateway, or of a worker on a machine of its own. */
export interface NodeTable {
  id: string;
  workspace_id: string;
  kind: string;
  home: string;
  host: string;
  url: string | null;
  version: string;
  pid: number;
  pid_started: string;
  started_at: number;
  lease_until: number;
  ended_at: number | null;
}

interface LeaseTable {
  name: string;
  workspace_id: string;
  owner: string;
  fence: number;
  lease_until: number;
}

interface StreamTable {
  name: string;
  workspace_id: string;
  seq: number;
}

export interface EventTable {
  stream: string;
  seq: number;
  workspace_id: string;
  sealed_seq: number | null;
  hash: string | null;
  actor: string;
  session_key: string | null;
  run_key: string | null;
  body: string;
  at: number;
  /** Its place among the events of its batch. */
  ord: number;
}

interface ChainTable {
  id: number;
  workspace_id: string;
  sealed_seq: number;
  hash: string;
}

export interface DeviceTable {
  id: string;
  workspace_id: string;
  public_key: string;
  /** JSON of the facts the client told about itself. */
  about: string;
  created_at: number;
  approved_at: number;
}

export interface DeviceTokenTable {
  device_id: string;
  role: string;
  workspace_id: string;
  /** The token is derived from the gateway's own secret, device, role and this number; it is stored nowhere. */
  generation: number;
  scopes: string;
  created_at: number;
  rotated_at: number | null;
  last_used_at: number | null;
  revoked_at: number | null;
}

interface RefusalTable {
  credential: string;
  model: string;
  workspace_id: string;
  reason: string;
  until: number;
}

interface SystemEventTable {
  id: string;
  workspace_id: string;
  session_key: string;
  text: string;
  at: number;
  /** The run whose turn it was told with. */
  run_id: string | null;
  /** The run whose result this is. */
  result_of: string | null;
}

export interface ApprovalTable {
  id: string;
  workspace_id: string;
  kind: string;
  state: ApprovalState;
  /** JSON of what is asked. */
  request: string;
  /** Who asked, and waits. */
  owner: string;
  /** What an expiry means, or null for no decision. */
  default_decision: string | null;
  created_at: number;
  deadline_at: number;
  decision: string | null;
  decided_by: string | null;
  decided_at: number | null;
}

export interface PairingRequestTable {
  id: string;
  workspace_id: string;
  device_id: string;
  role: string;
  public_key: string;
  /** JSON of the facts the client told about itself. */
  about: string;
  scopes: string;
  state: 'pending' | 'approved' | 'rejected' | 'expired';
  created_at: number;
  deadline_at: number;
  decided_by: string | null;
  decided_at: number | null;
}

interface SettingTable {
  name: string;
  workspace_id: string;
  /** JSON. */
  value: string;
  updated_at: number;
}

export interface Tables {
  session: SessionTable;
  entry: EntryTable;
  run: RunTable;
  attempt: AttemptTable;
  lane: LaneTable;
  worker: WorkerTable;
  process: ProcessTable;
  node: NodeTable;
  lease: LeaseTable;
  stream: StreamTable;
  event: EventTable;
  chain: ChainTable;
  device: DeviceTable;
  device_token: DeviceTokenTable;
  refusal: RefusalTable;
  system_event: SystemEventTable;
  approval: ApprovalTable;
  pairing_request: PairingRequestTable;
  setting: SettingTable;
  wait_on: WaitOnTable;
  spawn: SpawnTable;
  cron_job: CronJobTable;
  cron_slot: CronSlotTable;
  ledger: LedgerTable;
  spend: SpendTable;
  reservation: ReservationTable;
  budget_note: BudgetNoteTable;
  message: MessageTable;
  task: TaskTable;
  file_version: FileVersionTable;
  heartbeat: HeartbeatTable;
  spawn_alias: SpawnAliasTable;
  validation_request: ValidationRequestTable;
  evidence: EvidenceTable;
  verdict: VerdictTable;
  plan_item: PlanItemTable;
  plan_comment: PlanCommentTable;
  dependency: DependencyTable;
  incident: IncidentTable;
  work_spend: WorkSpendTable;
  inbound: InboundTable;
  place: PlaceTable;
  outbox: OutboxTable;
  peer: PeerTable;
  alert: AlertTable;
}
