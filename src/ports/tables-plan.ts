// The tables of planning, as types. See tables.ts.

import type { ItemKind, ItemState, Origin } from '../domain/plan.ts';
import type { Risk } from '../domain/proof.ts';

export interface PlanItemTable {
  id: string;
  workspace_id: string;
  kind: ItemKind;
  parent_id: string | null;
  /** The plan it belongs to; a plan's own id. */
  plan_id: string;
  name: string;
  title: string;
  state: ItemState;
  risk: Risk;
  /** JSON of PlanBody, EpicBody or Story. */
  body: string;
  /** JSON of Planner: who wrote it last. */
  author: string;
  origin: Origin;
  /** JSON of Finding[]: what lint says. */
  findings: string;
  created_at: number;
  updated_at: number;
}

export interface PlanCommentTable {
  id: string;
  item_id: string;
  actor: string;
  who: string;
  text: string;
  at: number;
}

/** Something broken that is nobody's work: it gathers the tasks that it blocks. */
export interface IncidentTable {
  id: string;
  workspace_id: string;
  /** What is broken: the same again joins the open one. */
  subject: string;
  reason: string;
  state: 'open' | 'resolved';
  opened_at: number;
  resolved_at: number | null;
}

/** A task waits for another. */
export interface DependencyTable {
  task_id: string;
  on_id: string;
}
