// Git for proofs: objects are fetched into a bare mirror of our own, inside the sandbox, and trees are written without any .git in them.
// Git never runs in a repository that an agent can write: its filters, hooks and replacements would run with our rights.

import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newSecret, sha256Hex } from '../../kit/id.ts';
import type { Change, CommandResult, RepoMirror } from '../../ports/repo.ts';
import type { Sandbox } from '../../ports/sandbox.ts';
import { runCommand } from './run-command.ts';

interface MirrorOptions {
  /** Folder of the task's repository. */
  readonly repo: string;
  /** Folder of the proofs, in the state folder. */
  readonly dir: string;
  readonly sandbox: Sandbox;
  readonly path: string;
  readonly signal: AbortSignal;
}

const GIT_TIMEOUT_MS = 120_000;
/** Work that the gateway itself has put on top of its branch. */
const REBASED = 'refs/rebased/';
const COMMIT = /^[0-9a-f]{7,64}$/;
const SAFE = ['-c', 'core.hooksPath=/dev/null', '-c', 'core.fsmonitor=false', '-c', 'protocol.ext.allow=never', '-c', 'core.symlinks=true', '-c', 'gc.auto=0'];

/** The folder of a repository's mirror and trees. */
export const homeOf = (dir: string, repo: string) => join(dir, sha256Hex(repo).slice(0, 16));

/** @throws Error that says what is wrong with the repository */
export async function openMirror({ repo, dir, sandbox, path, signal }: MirrorOptions): Promise<RepoMirror> {
  const home = homeOf(dir, repo);
  const mirror = join(home, 'mirror.git');
  const work = join(home, `work-${newSecret(4)}`);
  mkdirSync(work, { recursive: true, mode: 0o700 });
  const config = join(home, 'gitconfig');
  if (!existsSync(config)) writeFileSync(config, '[safe]\n\tdirectory = *\n', { mode: 0o600 });
  const trees: string[] = [];

  const git = async (
    args: readonly string[],
    more: { readonly stdin?: string; readonly env?: Readonly<Record<string, string>>; readonly fails?: boolean; readonly worktree?: string } = {},
  ): Promise<CommandResult> => {
    const env = {
      PATH: path,
      LANG: 'C.UTF-8',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: config,
      GIT_NO_REPLACE_OBJECTS: '1',
      GIT_TERMINAL_PROMPT: '0',
      GIT_OPTIONAL_LOCKS: '0',
      ...more.env,
    };
    const argv = ['git', ...SAFE, '--no-pager', ...(more.worktree === undefined ? [`--git-dir=${mirror}`] : ['-C', more.worktree]), ...args];
    const wrapped = sandbox.wrap({ argv, cwd: home, workspace: home, binds: [repo], hidden: [], network: 'none', env });
    const result = await runCommand({ wrapped, timeoutMs: GIT_TIMEOUT_MS, signal, ...(more.stdin !== undefined && { stdin: more.stdin }) });
    if (result.code !== 0 && !more.fails) throw new Error(`git ${args[0]}: ${result.stderr.trim().slice(0, 500) || `code ${result.code}`}`);
    return result;
  };

  if (!existsSync(join(mirror, 'HEAD'))) await git(['init', '--quiet', '--bare', mirror]);
  await git(['fetch', '--quiet', '--no-tags', '--no-recurse-submodules', '--no-write-fetch-head', '--prune', '--force', repo, '+refs/heads/*:refs/proof/*']);

  const changes = async (from: string, to: string): Promise<readonly Change[]> => {
    const { stdout } = await git(['diff', '--raw', '-z', '--no-renames', '--no-ext-diff', '--no-textconv', '--no-abbrev', from, to]);
    const fields = stdout.split('\0');
    const found: Change[] = [];
    for (let i = 0; i + 1 < fields.length; i += 2) {
      const [, mode = '', , , letter = ''] = (fields[i] ?? '').split(' ');
      found.push({ path: fields[i + 1] ?? '', kind: letter === 'A' ? 'added' : letter === 'D' ? 'deleted' : 'changed', mode });
    }
    return found;
  };

  return {
    commit: async (name) => {
      if (!COMMIT.test(name)) return undefined;
      const { code, stdout } = await git(['rev-parse', '--verify', '--quiet', `${name}^{commit}`], { fails: true });
      if (code !== 0) return undefined;
      const full = stdout.trim();
      const { stdout: refs } = await git(['for-each-ref', '--contains', full, '--count=1', '--format=%(refname)', 'refs/proof/', REBASED]);
      return refs.trim() === '' ? undefined : full;
    },
    isAncestor: async (older, newer) => (await git(['merge-base', '--is-ancestor', older, newer], { fails: true })).code === 0,
    changes,
    addedLines: async (from, to, path_) => {
      const { stdout } = await git([
        'diff',
        '--unified=0',
        '--no-color',
        '--no-renames',
        '--no-ext-diff',
        '--no-textconv',
        from,
        to,
        '--',
        `:(literal)${path_}`,
      ]);
      return [...stdout.matchAll(/^@@ -\S+ \+(\d+)(?:,(\d+))? @@/gm)].flatMap(([, first = '0', count = '1']) =>
        Array.from({ length: Number(count) }, (_, i) => Number(first) + i),
      );
    },
    file: async (commit, path_) => {
      const { code, stdout } = await git(['cat-file', 'blob', `${commit}:${path_}`], { fails: true });
      return code === 0 ? stdout : undefined;
    },
    tree: async (commit) => {
      const tree = join(work, `tree-${trees.length}`);
      const index = join(work, `index-${trees.length}`);
      trees.push(tree);
      mkdirSync(tree);
      await git(['read-tree', commit], { env: { GIT_INDEX_FILE: index } });
      await git([`--work-tree=${tree}`, 'checkout-index', '--all', '--force'], { env: { GIT_INDEX_FILE: index } });
      return tree;
    },
    layOver: async (tree, commit, paths) => {
      const index = join(work, `index-over-${newSecret(4)}`);
      await git(['read-tree', commit], { env: { GIT_INDEX_FILE: index } });
      const { stdout } = await git(['ls-tree', '-r', '-z', '--name-only', commit]);
      const there = new Set(stdout.split('\0'));
      for (const path_ of paths) if (!there.has(path_)) rmSync(join(tree, path_), { force: true });
      const wanted = paths.filter((path_) => there.has(path_));
      if (wanted.length > 0)
        await git([`--work-tree=${tree}`, 'checkout-index', '--force', '-z', '--stdin'], { env: { GIT_INDEX_FILE: index }, stdin: wanted.join('\0') });
    },
    rebase: async ({ base, red, green }, branch) => {
      const worktree = join(work, `rebase-${newSecret(4)}`);
      const env = { GIT_COMMITTER_NAME: 'clawdbot', GIT_COMMITTER_EMAIL: 'clawdbot@localhost' };
      const onto = (await git(['rev-parse', `refs/proof/${branch}^{commit}`])).stdout.trim();
      const patchOf = async (from: string, to: string) => {
        const { stdout } = await git(['diff', '--no-ext-diff', '--no-textconv', '--no-renames', '--binary', from, to]);
        return (await git(['patch-id', '--stable'], { stdin: stdout })).stdout.split(' ')[0];
      };
      const pick = async (from: string, to: string) => {
        const { code } = await git(['cherry-pick', '--allow-empty', '--keep-redundant-commits', `${from}..${to}`], { worktree, env, fails: true });
        return code === 0 ? (await git(['rev-parse', 'HEAD'], { worktree })).stdout.trim() : undefined;
      };
      await git(['worktree', 'add', '--quiet', '--detach', worktree, onto]);
      try {
        const newRed = base === red ? onto : await pick(base, red);
        const newGreen = newRed && (await pick(red, green));
        if (!newRed || !newGreen || (await patchOf(base, green)) !== (await patchOf(onto, newGreen))) return undefined;
        await git(['update-ref', `${REBASED}${newGreen}`, newGreen]);
        return { base: onto, red: newRed, green: newGreen };
      } finally {
        await git(['worktree', 'remove', '--force', worktree], { fails: true });
      }
    },
    close: async () => rmSync(work, { recursive: true, force: true }),
  };
}
