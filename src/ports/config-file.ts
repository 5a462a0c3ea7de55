// The configuration file as methods and the command line change it: one asked change at a time, kept, and undoable.

import type { LoadedConfig } from '../domain/config.ts';

export type ConfigChange =
  /** The whole text. Masked credentials in it mean: as before. */
  | { readonly kind: 'replace'; readonly raw: string }
  /** A JSON merge patch: null deletes a key. */
  | { readonly kind: 'merge'; readonly patch: Readonly<Record<string, unknown>> }
  | { readonly kind: 'set'; readonly path: readonly string[]; readonly value: unknown }
  | { readonly kind: 'unset'; readonly path: readonly string[] }
  /** Back to an earlier revision; without one, to what was before the last write. */
  | { readonly kind: 'undo'; readonly revision?: string };

export interface ConfigWriteOptions {
  readonly actor: string;
  /** Hash the change was made against: another state of the file is refused. */
  readonly baseHash?: string | undefined;
  readonly note?: string | undefined;
  /** Without it a change that removes a credential or more than a tenth of the keys is refused. */
  readonly allowRemoval?: boolean | undefined;
}

export interface ConfigWritten {
  readonly loaded: LoadedConfig;
  /** Paths whose value is another one now. */
  readonly changed: readonly string[];
  /** Of those, the ones that wait for the next start. */
  readonly needsRestart: readonly string[];
  readonly revision: string;
}

/** One state of the file that was good, newest last. */
export interface ConfigRevision {
  readonly id: string;
  readonly at: number;
  /** Who wrote it; `file` for an edit by hand. */
  readonly actor: string;
  readonly hash: string;
  readonly changed: readonly string[];
  readonly note?: string;
}

export interface ConfigFile {
  readonly current: () => LoadedConfig;
  /** The file's text with the credentials masked, or undefined when there is no file. */
  readonly masked: () => string | undefined;
  /** @throws Fault `config.*`; then the file is as it was */
  readonly write: (change: ConfigChange, options: ConfigWriteOptions) => ConfigWritten;
  readonly revisions: () => readonly ConfigRevision[];
  /** Looks at the file again, as after an edit by hand. True when another configuration runs now. */
  readonly refresh: () => boolean;
}
