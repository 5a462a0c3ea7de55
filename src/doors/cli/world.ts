// What verbs may use beyond the gateway's own answers. Filled in by bin.ts, so that each verb loads only what it needs.

import type { Backup } from '../../domain/backup.ts';
import type { Config } from '../../domain/config.ts';
import type { ConfigFinding } from '../../domain/config-schema.ts';
import type { ConfigFile } from '../../ports/config-file.ts';

export interface Target {
  readonly url: string;
  readonly token: string | undefined;
  readonly password: string | undefined;
}

export interface CliWorld {
  readonly version: string;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly terminal: () => { readonly input: NodeJS.ReadableStream; readonly output: NodeJS.WritableStream };
  /** Whether a person sits at it. */
  readonly isTerminal: () => boolean;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly pause: (ms: number) => Promise<void>;
  /** Where the gateway of this profile is and how to enter. */
  readonly target: (profile: Profile) => Target;
  readonly runGateway: (
    profile: Profile,
    options: { readonly port?: number; readonly bind?: 'loopback' | 'lan'; readonly onReady: (facts: GatewayFacts) => void },
  ) => Promise<number>;
  /** A worker on a machine of its own, until it is told to stop. */
  readonly runWorker: (
    profile: Profile,
    options: {
      readonly url: string;
      readonly name: string;
      readonly workspaces: Readonly<Record<string, string>>;
      readonly onReady: (facts: { readonly id: string; readonly logFile: string }) => void;
    },
  ) => Promise<number>;
  /** Copies one store into another; answers how many rows. */
  readonly copyStore: (options: { readonly from: string; readonly to: string; readonly onTable: (name: string, rows: number) => void }) => Promise<number>;
  /** The process of the gateway of this profile, if one runs. */
  readonly runningGateway: (profile: Profile) => { readonly pid: number; readonly port: number } | undefined;
  readonly service: (profile: Profile) => Promise<ServiceControl>;
  readonly backups: (profile: Profile) => Promise<BackupControl>;
  /** Answers of read methods straight from the file, for when no gateway runs; undefined when there is no store. */
  readonly offline: (profile: Profile) => Promise<OfflineAnswers | undefined>;
  readonly readConfig: (profile: Profile) => Promise<{
    readonly path: string;
    readonly exists: boolean;
    readonly value: unknown;
    /** Missing when the file is, or when it is not valid. */
    readonly config: Config | undefined;
    readonly issues: readonly ConfigFinding[];
    readonly warnings: readonly ConfigFinding[];
  }>;
  /** The file to write while no gateway runs. */
  readonly configFile: (profile: Profile) => Promise<ConfigFile>;
  readonly models: (profile: Profile) => Promise<ModelFacts>;
  readonly agents: (profile: Profile) => Promise<readonly AgentFacts[]>;
  /** Looks at everything, changes nothing. */
  readonly examine: (profile: Profile) => Promise<readonly DoctorFinding[]>;
  /** Writes sessions and transcripts as the original's files; answers what was written where. */
  readonly exportSessions: (profile: Profile, out: string | undefined) => Promise<{ readonly dir: string; readonly sessions: number; readonly kept: number }>;
  /** Where the claude command is, if it is. */
  readonly claudeCommand: (profile: Profile) => Promise<string | undefined>;
  /** @throws Error with what npm said */
  readonly installClaude: (profile: Profile) => Promise<string>;
  readonly runSimulator: (options: {
    readonly port: number;
    readonly scenario: string | undefined;
    readonly onReady: (url: string) => void;
  }) => Promise<number>;
  /** A Slack to talk with the gateway through: what is typed is said by the owner. */
  readonly runSlackSimulator: (options: {
    readonly port: number;
    readonly owner: string;
    readonly onSaid: (channel: string, text: string, isEdit: boolean) => void;
    readonly onReady: (url: string) => void;
  }) => Promise<number>;
}

/** All throw an Error that says what to do. */
export interface BackupControl {
  readonly dir: string;
  readonly create: (out: string | undefined) => Promise<Backup>;
  readonly list: () => Promise<readonly Backup[]>;
  readonly verify: (name: string) => Promise<Backup>;
  readonly restore: (name: string) => Promise<{ readonly backup: Backup; readonly keptAt: string; readonly notes: readonly string[] }>;
}

export interface ServiceState {
  readonly manager: 'systemd' | 'background' | 'foreground' | 'none';
  readonly file?: string;
  readonly isInstalled: boolean;
  /** Whether the unit is of this program, not of a predecessor. */
  readonly isOurs: boolean;
  readonly isEnabled: boolean;
  readonly status: string;
  readonly detail: string;
  readonly pid: number | undefined;
  readonly restarts: number;
  /** Whether it goes on after a log-out; null where nobody can say. */
  readonly lingers: boolean | null;
  readonly command: string;
}

interface ServiceResult {
  readonly pid?: number | undefined;
  readonly notes: readonly string[];
}

/** The gateway as a service of this user. All but `state` throw an Error that says what to do. */
export interface ServiceControl {
  readonly unit: string;
  readonly state: () => Promise<ServiceState>;
  readonly install: (options: { readonly port?: number; readonly token?: string }) => Promise<ServiceResult & { readonly file: string; readonly port: number }>;
  readonly uninstall: () => Promise<{ readonly removed: boolean; readonly notes: readonly string[] }>;
  readonly start: () => Promise<ServiceResult>;
  readonly stop: () => Promise<ServiceResult>;
  readonly restart: () => Promise<ServiceResult>;
  /** Starts the gateway and looks after it, until it is told to stop. */
  readonly supervise: () => Promise<number>;
}

export interface Profile {
  readonly dev?: boolean;
  readonly profile?: string;
  /** A further workspace of the gateway, instead of the owner's. */
  readonly inWorkspace?: string;
}

export interface GatewayFacts {
  readonly url: string;
  readonly pid: number;
  readonly model: string;
  readonly logFile: string;
  readonly notices: readonly string[];
}

export interface OfflineAnswers {
  readonly sessions: (activeMinutes: number | undefined) => Promise<unknown>;
  readonly history: (sessionKey: string, limit: number) => Promise<unknown>;
}

export interface ModelFacts {
  readonly models: readonly {
    readonly key: string;
    readonly name: string;
    readonly input: string;
    readonly contextWindow: number;
    readonly local: boolean;
    readonly available: boolean;
    readonly tags: readonly string[];
    readonly missing: boolean;
  }[];
  readonly status: {
    readonly configPath: string;
    readonly agentDir: string;
    readonly defaultModel: string;
    readonly resolvedDefault: string;
    readonly fallbacks: readonly string[];
    readonly aliases: Readonly<Record<string, string>>;
    readonly auth: {
      readonly missingProvidersInUse: readonly string[];
      readonly providers: readonly { readonly provider: string; readonly effective: { readonly kind: string; readonly detail: string } }[];
    };
  };
}

export interface AgentFacts {
  readonly id: string;
  readonly workspace: string;
  readonly agentDir: string;
  readonly model: string;
  readonly bindings: number;
  readonly isDefault: boolean;
  readonly routes: readonly string[];
}

/** Something that is not as it should be: what was seen, and what to do. */
export interface DoctorFinding {
  readonly id: string;
  readonly severity: 'info' | 'warning' | 'error';
  readonly evidence: string;
  readonly fix: string;
}
