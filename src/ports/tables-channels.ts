// The tables of the message channels and of alerts, as types. See tables.ts.

import type { OutboxState } from '../domain/channel.ts';

/** What came in, once: `m:<place>:<message>` for messages, `e:<event>` for all else. */
export interface InboundTable {
  workspace_id: string;
  channel: string;
  account: string;
  key: string;
  at: number;
  /** `accepted`, `heard`, `told` (heard, and told since), `pairing`, `ignored`, `change`. */
  fate: string;
  place: string;
  thread: string | null;
  sender: string;
  session_key: string | null;
  run_id: string | null;
  /** Of messages that were only heard. */
  text: string | null;
}

/** Where somebody may be waiting for an answer: where to look after an outage. */
export interface PlaceTable {
  workspace_id: string;
  channel: string;
  account: string;
  place: string;
  thread: string;
  /** When a message came last, by the provider's clock, epoch ms. */
  last_at: number;
}

export interface OutboxTable {
  id: string;
  workspace_id: string;
  channel: string;
  account: string;
  place: string;
  /** JSON of Address. */
  address: string;
  /** JSON of Outgoing. */
  body: string;
  /** What it is for: the same intent twice is one entry. */
  intent: string;
  state: OutboxState;
  /** JSON of Part[]: the messages that it became. */
  parts: string;
  attempts: number;
  not_before: number;
  created_at: number;
  settled_at: number | null;
  error: string | null;
  actor: string;
  run_id: string | null;
}

/** Somebody who wants to speak with the agent, or may. */
export interface PeerTable {
  workspace_id: string;
  channel: string;
  account: string;
  id: string;
  name: string | null;
  state: 'pending' | 'allowed' | 'revoked';
  code: string | null;
  place: string;
  asked_at: number;
  deadline_at: number;
  decided_by: string | null;
}

/** Something that is not as it should be, from its first sight to its end. */
export interface AlertTable {
  id: string;
  workspace_id: string;
  check_id: string;
  severity: string;
  evidence: string;
  fix: string;
  opened_at: number;
  /** When the owner was told last, and how bad it was then. */
  told_at: number | null;
  told_severity: string | null;
  resolved_at: number | null;
}
