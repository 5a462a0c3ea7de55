// A repository as a proof sees it: a mirror that no agent can write, and clean trees of its commits.

import type { GateResult, HeldOut, Proof, ProofPolicy, Submission, Waiver } from '../domain/proof.ts';

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
  /** The work on top of what the branch is now, or undefined where it conflicts or the patch would be another. */
  readonly rebase: (work: Pick<Submission, 'base' | 'red' | 'green'>, branch: string) => Promise<Pick<Submission, 'base' | 'red' | 'green'> | undefined>;
  /** Removes the trees. */
  readonly close: () => Promise<void>;
}

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

export interface ProofOrder {
  /** Folder of the task's repository. */
  readonly repo: string;
  readonly policy: ProofPolicy;
  readonly submission: Submission;
}

export interface ProofCalls {
  readonly waivers: readonly Waiver[];
  /** A gate that an earlier attempt has gone through, by its digest. */
  readonly known: (digest: string) => GateResult | undefined;
  /** Makes a gate durable as soon as it is there. */
  readonly record: (result: GateResult) => Promise<void>;
  readonly signal: AbortSignal;
}

export interface Merge {
  readonly merged: boolean;
  /** The commit that the branch stands at, or what is in the way, for people. */
  readonly why: string;
  /** The branch has moved on: the same patch on top of it, to be proved again. */
  readonly rebased?: Pick<Submission, 'base' | 'red' | 'green'>;
}

/** What the gateway itself does with the work of agents. @throws Error where it could not judge */
export interface Prover {
  readonly prove: (order: ProofOrder, calls: ProofCalls) => Promise<Proof>;
  readonly heldOut: (order: ProofOrder, checks: HeldOut, signal: AbortSignal) => Promise<GateResult>;
  readonly merge: (order: ProofOrder, signal: AbortSignal) => Promise<Merge>;
}
