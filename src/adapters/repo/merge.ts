// The merge: the branch of a task is moved on to the proved commit, in the task's own repository and inside the sandbox.

import type { CommandResult, Merge } from '../../ports/repo.ts';
import type { Sandbox } from '../../ports/sandbox.ts';
import { runCommand } from './run-command.ts';

interface MergeOptions {
  readonly repo: string;
  /** Mirror in which the gateway keeps what it has rebased. */
  readonly mirror: string;
  /** Folders of the gateway: the repository's own filters must not see them. */
  readonly hidden: readonly string[];
  readonly target: string;
  readonly base: string;
  readonly green: string;
  readonly sandbox: Sandbox;
  readonly path: string;
  readonly signal: AbortSignal;
}

const GIT_TIMEOUT_MS = 120_000;
const SAFE = [
  '-c',
  'core.hooksPath=/dev/null',
  '-c',
  'core.fsmonitor=false',
  '-c',
  'gc.auto=0',
  '-c',
  'safe.directory=*',
  '-c',
  'merge.verifySignatures=false',
];

/** Fast-forward or nothing. The same merge again is done already. @throws Error where git could not work at all */
export async function mergeForward({
  repo,
  mirror,
  hidden,
  target,
  base,
  green,
  sandbox,
  path,
  signal,
}: MergeOptions): Promise<Merge & { readonly hasMoved?: boolean }> {
  const env = { PATH: path, LANG: 'C.UTF-8', HOME: '/nonexistent', GIT_CONFIG_NOSYSTEM: '1', GIT_NO_REPLACE_OBJECTS: '1', GIT_TERMINAL_PROMPT: '0' };
  const git = async (...args: readonly string[]): Promise<CommandResult> => {
    const wrapped = sandbox.wrap({ argv: ['git', ...SAFE, '--no-pager', ...args], cwd: repo, workspace: repo, binds: [mirror], hidden, network: 'none', env });
    return runCommand({ wrapped, timeoutMs: GIT_TIMEOUT_MS, signal });
  };
  const branch = `refs/heads/${target}`;
  const { code, stdout, stderr } = await git('rev-parse', '--verify', '--quiet', `${branch}^{commit}`);
  const stands = stdout.trim();
  if (code !== 0) throw new Error(`${repo} has no branch ${target}${stderr.trim() === '' ? '' : ` (${stderr.trim().slice(0, 300)})`}`);
  const ours = `refs/clawdbot/${green.slice(0, 12)}`;
  await git('fetch', '--quiet', '--no-tags', '--no-write-fetch-head', mirror, `+refs/rebased/${green}:${ours}`); // there is none for work that was not rebased
  const full = (await git('rev-parse', '--verify', '--quiet', `${green}^{commit}`)).stdout.trim();
  if (full === '') return { merged: false, why: `the commit ${green.slice(0, 12)} is gone from ${repo}` };
  if ((await git('merge-base', '--is-ancestor', full, stands)).code === 0) return { merged: true, why: `${target} has ${full.slice(0, 12)}` };
  if ((await git('merge-base', '--is-ancestor', stands, full)).code !== 0)
    return {
      hasMoved: true,
      merged: false,
      why: `${target} has moved on from ${base.slice(0, 12)} to ${stands.slice(0, 12)}: rebase the work on it and submit it again`,
    };
  const checkedOut = worktreeOf((await git('worktree', 'list', '--porcelain')).stdout, branch);
  const moved =
    checkedOut === undefined
      ? await git('update-ref', '-m', 'proved', branch, full, stands)
      : await git('-C', checkedOut, 'merge', '--quiet', '--ff-only', full);
  if (moved.code !== 0) return { merged: false, why: `${target} could not be moved to ${full.slice(0, 12)}: ${moved.stderr.trim().slice(0, 400)}` };
  return { merged: true, why: `${target} is at ${full.slice(0, 12)}` };
}

/** The folder in which a branch is checked out. */
function worktreeOf(listed: string, branch: string): string | undefined {
  const block = listed.split('\n\n').find((one) => one.split('\n').includes(`branch ${branch}`));
  return block?.match(/^worktree (.+)$/m)?.[1];
}
