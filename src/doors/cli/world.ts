// What verbs may use beyond the gateway's own answers. Filled in by bin.ts, so that each verb loads only what it needs.

import type { ConfigFinding } from '../../domain/config.ts';

export interface Target {
  readonly url: string;
  readonly token: string | undefined;
  readonly password: string | undefined;
}

export interface CliWorld {
  readonly version: string;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Where the gateway of this profile is and how to enter. */
  readonly target: (profile: Profile) => Target;
  readonly runGateway: (
    profile: Profile,
    options: { readonly port?: number; readonly bind?: 'loopback' | 'lan'; readonly onReady: (facts: GatewayFacts) => void },
  ) => Promise<number>;
  /** The process of the gateway of this profile, if one runs. */
  readonly runningGateway: (profile: Profile) => { readonly pid: number; readonly port: number } | undefined;
  readonly stopProcess: (pid: number, timeoutMs: number) => Promise<boolean>;
  /** Answers of read methods straight from the file, for when no gateway runs; undefined when there is no store. */
  readonly offline: (profile: Profile) => Promise<OfflineAnswers | undefined>;
  readonly readConfig: (profile: Profile) => {
    readonly path: string;
    readonly exists: boolean;
    readonly value: unknown;
    readonly issues: readonly ConfigFinding[];
    readonly warnings: readonly ConfigFinding[];
  };
  readonly runSimulator: (options: {
    readonly port: number;
    readonly scenario: string | undefined;
    readonly onReady: (url: string) => void;
  }) => Promise<number>;
}

export interface Profile {
  readonly dev?: boolean;
  readonly profile?: string;
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
