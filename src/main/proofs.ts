// A proof put together: the mirror, the sandbox, the runner's report reader, the gates.

import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { openEgress, throughEgress } from '../adapters/egress/proxy.ts';
import { carryOut } from '../adapters/repo/checks.ts';
import { homeOf, openMirror } from '../adapters/repo/git.ts';
import { mergeForward } from '../adapters/repo/merge.ts';
import { installPackages, linkPackages, type PackagesOptions } from '../adapters/repo/packages.ts';
import { runCommand } from '../adapters/repo/run-command.ts';
import { REPORTS } from '../adapters/reports/catalog.ts';
import type { TestCommand } from '../domain/proof.ts';
import { type GateWorld, type Tested, Unreadable } from '../features/validation/gates.ts';
import { prove, proveHeldOut } from '../features/validation/prove.ts';
import type { Clock } from '../kit/clock.ts';
import { newSecret } from '../kit/id.ts';
import type { ProofOrder, Prover } from '../ports/repo.ts';
import type { Sandbox } from '../ports/sandbox.ts';

interface ProverOptions {
  readonly stateDir: string;
  readonly sandbox: Sandbox;
  readonly path: string;
  /** Where packages come from. */
  readonly registry: string;
  readonly clock: Clock;
}

interface Within {
  readonly seconds: number;
  /** What it may read besides its tree. */
  readonly binds: readonly string[];
  readonly signal: AbortSignal;
  readonly cwd?: string;
}

/** Memory, processes, size of a file: what a test takes beyond these it does not get. */
const LIMITS = existsSync('/usr/bin/prlimit') ? ['/usr/bin/prlimit', `--data=${4 * 1024 ** 3}`, '--nproc=4096', `--fsize=${1024 ** 3}`, '--'] : [];
const MOST_PACKAGES = 2 * 1024 ** 3;
const EGRESS_IDLE_MS = 60_000;

const withEgress: PackagesOptions['withEgress'] = async (allow, use) => {
  const egress = await openEgress({ allow, maxBytes: MOST_PACKAGES, idleMs: EGRESS_IDLE_MS });
  try {
    return await use((argv) => throughEgress(egress, argv));
  } finally {
    await egress.close();
  }
};

const TEST_TIMEOUT_S = 300;
const CHECK_TIMEOUT_S = 180;

export function createProver({ stateDir, sandbox, path, registry, clock }: ProverOptions): Prover {
  const withWorld = async <T>({ repo, policy, submission }: ProofOrder, signal: AbortSignal, use: (world: GateWorld) => Promise<T>): Promise<T> => {
    const mirror = await openMirror({ repo, dir: join(stateDir, 'proofs'), sandbox, path, signal });
    const folder = policy.command?.cwd ?? '.';
    let packages: Promise<string | undefined> | undefined;
    const prepared = async (tree: string): Promise<readonly string[]> => {
      const home = homeOf(join(stateDir, 'proofs'), repo);
      const scripts = policy.scripts ?? false;
      packages ??= installPackages({ mirror, commit: submission.base, folder, scripts, registry, home, sandbox, path, signal, withEgress });
      const installed = await packages;
      if (installed === undefined) return [];
      linkPackages(installed, join(tree, folder));
      return [installed];
    };
    try {
      return await use({
        mirror,
        policy,
        submission,
        test: async (tree) => runTests(tree, policy.command, await prepared(tree), signal),
        check: async (tree, check) => {
          const binds = await prepared(tree);
          return carryOut(check, tree, { run: (argv) => runIn(tree, argv, { seconds: CHECK_TIMEOUT_S, binds, signal }), keep: keepPicture });
        },
        write: replaceFile,
        signal,
      });
    } finally {
      await mirror.close();
    }
  };
  const keepPicture = (picture: Buffer): string => {
    const digest = createHash('sha256').update(picture).digest('hex');
    const folder = join(stateDir, 'proofs', 'pictures');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(join(folder, `${digest}.png`), picture, { mode: 0o600 });
    return `proofs/pictures/${digest}.png`;
  };
  const env = { PATH: path, LANG: 'C.UTF-8', CI: '1' };
  const runIn = async (tree: string, argv: readonly string[], { seconds, binds, signal, cwd = tree }: Within) => {
    const wrapped = sandbox.wrap({ argv: [...LIMITS, ...argv], cwd, workspace: tree, binds, hidden: [], network: 'none', env });
    const result = await runCommand({ wrapped, timeoutMs: seconds * 1000, signal });
    signal.throwIfAborted();
    return result;
  };
  const runTests = async (tree: string, command: TestCommand | undefined, binds: readonly string[], signal: AbortSignal): Promise<Tested> => {
    if (!command) throw new Unreadable('nobody has said how the tests of this repository are run');
    const report = join(tree, `.report-${newSecret(8)}`);
    const reader = REPORTS[command.runner];
    const seconds = command.timeoutSeconds ?? TEST_TIMEOUT_S;
    const { code, stdout, stderr, timedOut } = await runIn(tree, reader.argv(command.argv, report), {
      seconds,
      binds,
      signal,
      cwd: join(tree, command.cwd ?? '.'),
    });
    if (timedOut) throw new Unreadable(`the tests did not end within ${seconds} s`);
    try {
      const read = reader.read({ stdout, file: plainFile(report) });
      rmSync(report, { force: true });
      if (read.cases.length === 0) throw new Error('there is not one test in it');
      return { report: read, code };
    } catch (error) {
      const said = (stderr || stdout).trim().slice(-600);
      throw new Unreadable(`no report of the tests: ${error instanceof Error ? error.message : String(error)}${said === '' ? '' : ` (${said})`}`);
    }
  };
  const isolation = sandbox.level;
  const merge: Prover['merge'] = async (order, signal) => {
    const { repo, policy, submission } = order;
    const { target } = policy;
    const mirror = join(homeOf(join(stateDir, 'proofs'), repo), 'mirror.git');
    const { hasMoved, ...merged } = await mergeForward({ repo, mirror, hidden: [stateDir], target, ...submission, sandbox, path, signal });
    if (!hasMoved) return merged;
    const rebased = await withWorld(order, signal, (world) => world.mirror.rebase(submission, target));
    return rebased ? { ...merged, rebased, why: `${target} has moved on; the same patch stands on top of it now and is proved again` } : merged;
  };
  return {
    prove: (order, { known, record, waivers, signal }) => withWorld(order, signal, (world) => prove({ ...world, clock, isolation, known, record, waivers })),
    heldOut: (order, checks, signal) => withWorld(order, signal, (world) => proveHeldOut({ ...world, clock, isolation }, checks)),
    merge,
  };
}

function plainFile(path: string): string | undefined {
  if (!existsSync(path) || !lstatSync(path).isFile()) return undefined;
  return readFileSync(path, 'utf8');
}

/** A test that ran here may have put links in the way. @throws Unreadable when it did */
function replaceFile(tree: string, path: string, text: string): void {
  const target = join(tree, path);
  const folder = dirname(target);
  mkdirSync(folder, { recursive: true });
  if (realpathSync(folder) !== join(realpathSync(tree), dirname(path) === '.' ? '' : dirname(path)).replace(/\/$/, ''))
    throw new Unreadable(`the tests have put a link in the place of ${dirname(path)}`);
  rmSync(target, { force: true, recursive: true });
  writeFileSync(target, text, { flag: 'wx' });
}
