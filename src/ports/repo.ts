// A repository as a proof sees it: a mirror that no agent can write, and clean trees of its commits.

export interface Change {
  /** From the top of the repository, with `/`. */
  readonly path: string;
  readonly kind: 'added' | 'changed' | 'deleted';
  /** Of the file afterwards: 100644, 100755, 120000 is a link, 160000 another repository. */
  readonly mode: string;
}

export interface RepoMirror {
  /** The full name of a commit that a branch of the task's repository leads to, or undefined. */
  readonly commit: (name: string) => Promise<string | undefined>;
  readonly isAncestor: (older: string, newer: string) => Promise<boolean>;
  readonly changes: (from: string, to: string) => Promise<readonly Change[]>;
  /** Lines that `to` has and `from` has not, by file: numbers from 1. */
  readonly addedLines: (from: string, to: string, path: string) => Promise<readonly number[]>;
  /** A file of a commit, or undefined. */
  readonly file: (commit: string, path: string) => Promise<string | undefined>;
  /** A clean tree of a commit, in a folder of its own. */
  readonly tree: (commit: string) => Promise<string>;
  /** Puts files of a commit into a tree, in the place of what is there; those that the commit does not have go. */
  readonly layOver: (tree: string, commit: string, paths: readonly string[]) => Promise<void>;
  /** Removes the trees. */
  readonly close: () => Promise<void>;
}

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

/** Runs a command of a proof in its sandbox: no network, nothing to write but the tree. */
export type RunInTree = (options: {
  readonly tree: string;
  readonly argv: readonly string[];
  readonly cwd?: string | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}) => Promise<CommandResult>;
