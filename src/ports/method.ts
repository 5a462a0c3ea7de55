// A capability, declared once. Doors, CLI, documents and (later) agent tools derive from this value.

import type { z } from 'zod';
import type { Approval } from '../domain/approval.ts';
import type { Principal, Scope } from '../domain/authorize.ts';
import type { ChannelAccount, ConnectionState } from '../domain/channel.ts';
import type { Degraded, Finding } from '../domain/checks.ts';
import type { LoadedConfig } from '../domain/config.ts';
import type { RunEnded } from '../domain/event.ts';
import type { Phases } from '../domain/phase.ts';
import type { Clock } from '../kit/clock.ts';
import type { Channel } from './channel.ts';
import type { ConfigFile } from './config-file.ts';
import type { Store } from './store.ts';

/** The folder a team shares, how far each part of it is taken over, and what would be done where it is only observed. */
export interface TeamStatus {
  readonly root: string;
  readonly exists: boolean;
  readonly phases: Phases;
  readonly observed: Readonly<Record<string, Readonly<Record<string, number>> | null>>;
}

/** An account of a message channel, and how its connection stands. */
export interface ChannelStatus {
  readonly channel: Channel;
  readonly account: string;
  readonly settings: ChannelAccount;
  readonly isConfigured: boolean;
  /** Missing where this node does not hold the connection. */
  readonly state: ConnectionState | undefined;
}

/** What methods may ask of the running gateway beyond the store. */
export interface Gateway {
  readonly version: string;
  readonly pid: number;
  readonly startedAt: number;
  readonly stateDir: string;
  readonly engine: 'sqlite' | 'postgres';
  /** Number of the newest event that this node has told its clients of. */
  readonly cursor: () => number;
  readonly config: () => LoadedConfig;
  readonly logFile: () => string;
  readonly presence: () => readonly unknown[];
  readonly channels: () => readonly ChannelStatus[];
  readonly channelCatalog: readonly Channel[];
  /** What the last look at everything found. */
  readonly watch: () => { readonly at: number; readonly findings: readonly Finding[]; readonly degraded: Degraded } | undefined;
  /** What agents' commands get here, by agent. */
  readonly sandbox: (agentId: string) => { readonly level: string; readonly reason?: string };
  readonly workers: () => readonly { readonly id: string; readonly pid: number; readonly startedAt: number; readonly deaths: number }[];
  /** Resolves when the run ends, or with undefined after `timeoutMs`. */
  readonly whenEnded: (runKey: string, timeoutMs: number) => Promise<RunEnded | undefined>;
  /** Resolves when the approval is decided or has expired, or with undefined after `timeoutMs`. */
  readonly whenDecided: (approvalId: string, timeoutMs: number) => Promise<Approval | undefined>;
  readonly deviceToken: (deviceId: string, role: string, generation: number) => string;
  /** A device says what it is doing. */
  readonly notePresence: (text: string, facts: Readonly<Record<string, unknown>>) => void;
  /** Where programs are looked for, as PATH says it. */
  readonly programPath: string;
  readonly configFile: ConfigFile;
  /** The files that the team shares. */
  readonly team: () => TeamStatus;
  /** A snapshot of a method's answer that is kept for a moment, as JSON text without its outer braces. */
  readonly healthBody: () => Promise<string>;
}

/** The second answer of a call that answers twice: first accepted, later the result. */
export type LaterReply = { readonly ok: true; readonly payload: unknown } | { readonly ok: false; readonly payload: unknown; readonly message: string };

export interface MethodContext {
  readonly principal: Principal;
  readonly workspaceId: string;
  readonly store: Store;
  readonly gateway: Gateway;
  readonly clock: Clock;
  /** Announces a second answer. Doors that can give only one wait for it. */
  readonly replyLater: (later: Promise<LaterReply>) => void;
}

export interface Method<I = unknown, O = unknown> {
  readonly name: string;
  readonly scope: Scope;
  readonly about: string;
  readonly input: z.ZodType<I>;
  readonly output: z.ZodType<O>;
  /** @throws Fault */
  readonly run: (context: MethodContext, input: I) => Promise<O | PreparedJson>;
}
// biome-ignore lint/suspicious/noExplicitAny: a list of methods mixes their input types
export type AnyMethod = Method<any, any>;

/** An answer that is JSON text already. */
export class PreparedJson {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export function method<I, O>(declared: Method<I, O>): Method<I, O> {
  return declared;
}
