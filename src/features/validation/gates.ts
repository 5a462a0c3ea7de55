// The gates of layer 0, cheapest first. Each says what it saw; the first that fails ends the proof.

import { applyMutant, canMutate, mutantsOf } from '../../domain/mutate.ts';
import {
  DETECTS_RUNNER,
  type Gate,
  type GateResult,
  type HeldOut,
  KILLED,
  NEVER,
  type ProofCheck,
  type ProofPolicy,
  REPEATS,
  type Submission,
} from '../../domain/proof.ts';
import { casesNamed, type TestCase, type TestReport } from '../../domain/test-report.ts';
import { matchesAny } from '../../kit/glob.ts';
import type { Change, RepoMirror } from '../../ports/repo.ts';

/** What the gates ask of the world beside the repository. */
export interface GateWorld {
  readonly mirror: RepoMirror;
  readonly policy: ProofPolicy;
  readonly submission: Submission;
  /** Runs the tests in a tree. @throws Unreadable when there is no report with tests in it */
  readonly test: (tree: string) => Promise<Tested>;
  /** Carries out one check in a tree, outside the test runner. */
  readonly check: (tree: string, check: ProofCheck) => Promise<Checked>;
  /** Replaces a file of a tree, whatever a test has made of it. */
  readonly write: (tree: string, path: string, text: string) => void;
  readonly signal: AbortSignal;
}

export interface Tested {
  readonly report: TestReport;
  readonly code: number | null;
}

export interface Checked {
  readonly ok: boolean;
  /** What was seen, for people. */
  readonly seen: string;
}

/** Nothing is no proof: zero tests, a crashed runner, a report that cannot be read. */
export class Unreadable extends Error {}

export type Seen = Pick<GateResult, 'result' | 'why'>;
const pass = (why: string): Seen => ({ result: 'pass', why });
const fail = (why: string): Seen => ({ result: 'fail', why });
const some = (names: readonly string[]) => `${names.slice(0, 8).join(', ')}${names.length > 8 ? ` and ${names.length - 8} more` : ''}`;

const LINK = '120000';
const MODULE = '160000';
const MOST_MUTANTS = 12;

async function existence({ mirror, policy, submission: { base, red, green } }: GateWorld): Promise<Seen> {
  for (const [name, commit] of Object.entries({ base, red, green }))
    if ((await mirror.commit(commit)) === undefined) return fail(`no branch of the repository leads to the ${name} commit ${commit}`);
  if (!(await mirror.isAncestor(base, `refs/proof/${policy.target}`))) return fail(`base is no commit of ${policy.target}, the branch that the work is for`);
  if (policy.command ? base === red || red === green : base === green)
    return fail(policy.command ? 'base, RED and GREEN must be three commits' : 'base and the finished work must be two commits');
  if (!(await mirror.isAncestor(base, red))) return fail('RED does not follow base');
  if (!(await mirror.isAncestor(red, green))) return fail('GREEN does not follow RED');
  const changes = await mirror.changes(base, green);
  if (changes.length === 0) return fail('nothing has changed from base to GREEN');
  const outside = changes.filter(({ path }) => !matchesAny(path, policy.paths));
  if (outside.length > 0) return fail(`outside the paths of the task: ${some(outside.map(({ path }) => path))}`);
  const forbidden = changes.filter(({ path, mode, kind }) => matchesAny(path, NEVER) || mode === MODULE || (mode === LINK && kind !== 'deleted'));
  if (forbidden.length > 0) return fail(`links, other repositories and attributes of git are not taken: ${some(forbidden.map(({ path }) => path))}`);
  return pass(`${changes.length} files from ${base.slice(0, 8)} to ${green.slice(0, 8)}`);
}

const isOracle = ({ tests, frozen }: ProofPolicy, path: string) => matchesAny(path, tests) || matchesAny(path, frozen);

async function pureRed({ mirror, policy, submission: { base, red } }: GateWorld): Promise<Seen> {
  const changes = await mirror.changes(base, red);
  if (changes.length === 0) return fail('RED changes nothing');
  const source = changes.filter(({ path }) => !matchesAny(path, policy.tests));
  if (source.length > 0 && !policy.stubs) return fail(`RED brings more than tests: ${some(source.map(({ path }) => path))}`);
  if (changes.every(({ path }) => !matchesAny(path, policy.tests))) return fail('RED brings no test');
  return pass(`${changes.length} files of tests`);
}

async function freeze({ mirror, policy, submission: { red, green } }: GateWorld): Promise<Seen> {
  const touched = (await mirror.changes(red, green)).filter(({ path }) => isOracle(policy, path));
  return touched.length === 0
    ? pass('the oracle is untouched')
    : fail(`changed after RED: ${some(touched.map(({ path, kind }) => `${path} (${kind})`))}. A change of tests needs a RED of its own`);
}

async function runnerDetection({ mirror, policy, submission: { red, green } }: GateWorld): Promise<Seen> {
  const found: string[] = [];
  for (const { path } of sources(policy, await mirror.changes(red, green))) {
    const text = await mirror.file(green, path);
    const lines = new Set(await mirror.addedLines(red, green, path));
    for (const [i, line] of (text ?? '').split('\n').entries()) {
      const match = lines.has(i + 1) ? DETECTS_RUNNER.exec(line) : null;
      if (match) found.push(`${path}:${i + 1} asks for ${match[0]}`);
    }
  }
  return found.length === 0 ? pass('no line asks whether it is being tested') : fail(some(found));
}

function sources(policy: ProofPolicy, changes: readonly Change[]): readonly Change[] {
  return changes.filter(({ path, kind }) => kind !== 'deleted' && !isOracle(policy, path));
}

async function realRed({ mirror, submission, test }: GateWorld): Promise<Seen> {
  const { report } = await test(await mirror.tree(submission.red));
  const wrong: string[] = [];
  for (const [criterion, names] of criteria(submission)) {
    if (names.length === 0) wrong.push(`${criterion} names no test`);
    for (const name of names) {
      const cases = casesNamed(report, name);
      if (cases.length === 0) wrong.push(`${criterion}: there is no test "${name}"`);
      else if (cases.some(({ status }) => status !== 'fail')) wrong.push(`${criterion}: "${name}" does not fail before the work`);
      else if (cases.some(({ failure }) => failure !== 'assertion'))
        wrong.push(`${criterion}: "${name}" fails only because something cannot be loaded or called, not by what it asserts`);
    }
  }
  if (criteria(submission).length === 0) return fail('no criterion has a test');
  return wrong.length === 0 ? pass(`${criteria(submission).length} criteria fail by what they assert`) : fail(some(wrong));
}

const criteria = ({ acToTests }: Submission) => Object.entries(acToTests);

/** The candidate's source with RED's oracle laid over it. */
async function greenTree({ mirror, policy, submission: { base, red, green } }: GateWorld): Promise<string> {
  const tree = await mirror.tree(green);
  const oracle = [...(await mirror.changes(base, red)), ...(await mirror.changes(red, green))].map(({ path }) => path).filter((path) => isOracle(policy, path));
  await mirror.layOver(tree, red, [...new Set(oracle)]);
  return tree;
}

const passed = ({ cases }: TestReport) => new Set(cases.filter(({ status }) => status === 'pass').map(({ name }) => name));
const skipped = ({ cases }: TestReport) => cases.filter(({ status }) => status === 'skip').map(({ name }) => name);

async function green(world: GateWorld): Promise<Seen> {
  const { submission, test } = world;
  const before = await testsOfBase(world);
  const { report, code } = await test(await greenTree(world));
  const problem = notGreen(submission, report, code);
  if (problem !== undefined) return fail(problem);
  const now = passed(report);
  const lost = [...passed(before)].filter((name) => !now.has(name));
  if (lost.length > 0) return fail(`passed before and does not pass now: ${some(lost)}`);
  const quiet = skipped(report).filter((name) => !skipped(before).includes(name));
  if (quiet.length > 0) return fail(`skipped now: ${some(quiet)}`);
  return pass(`${now.size} tests pass, ${before.cases.length} were there before`);
}

/** Before the first test of a repository there is nothing to keep. */
async function testsOfBase({ mirror, submission, test }: GateWorld): Promise<TestReport> {
  try {
    return (await test(await mirror.tree(submission.base))).report;
  } catch (error) {
    if (error instanceof Unreadable) return { cases: [] };
    throw error;
  }
}

function notGreen(submission: Submission, report: TestReport, code: number | null): string | undefined {
  for (const [criterion, names] of criteria(submission))
    for (const name of names) {
      const cases = casesNamed(report, name);
      if (cases.length === 0 || cases.some(({ status }) => status !== 'pass')) return `${criterion}: "${name}" does not pass${messageIn(cases)}`;
    }
  const failed = report.cases.filter(({ status }) => status === 'fail');
  if (failed.length > 0) return `fails: ${some(failed.map(({ name }) => name))}${messageIn(failed)}`;
  if (code !== 0) return `all tests of the report pass, and the runner ends with code ${code ?? 'none'}`;
  return undefined;
}

const messageIn = (cases: readonly TestCase[]) => {
  const said = cases.find(({ message }) => message !== undefined)?.message;
  return said === undefined ? '' : `: ${said.trim().split('\n').slice(0, 3).join(' ').slice(0, 300)}`;
};

/** G10: each check passes at the work, and each criterion has one that fails without it. */
async function outside({ mirror, policy: { checks = [] }, submission: { base, green: head }, check, signal }: GateWorld): Promise<Seen> {
  const [before, after] = [await mirror.tree(base), await mirror.tree(head)];
  const tells = new Set<string>();
  const pictures: string[] = [];
  for (const one of checks) {
    signal.throwIfAborted();
    const now = await check(after, one.check);
    if (!now.ok) return fail(`${one.criterion}: ${describeCheck(one.check)}: ${now.seen}`);
    if (one.check.kind === 'screenshot') pictures.push(now.seen);
    if (!(await check(before, one.check)).ok) tells.add(one.criterion);
  }
  const silent = [...new Set(checks.map(({ criterion }) => criterion))].filter((criterion) => !tells.has(criterion));
  if (silent.length > 0) return fail(`every check of ${some(silent)} passes without the work too: it says nothing of it`);
  return pass([`${checks.length} checks pass, and not without the work`, ...pictures].join('; '));
}

function describeCheck(check: ProofCheck): string {
  return check.kind === 'command' ? check.argv.join(' ') : `${check.kind === 'http' ? check.method : check.kind} ${check.path}`;
}

async function repeat(world: GateWorld): Promise<Seen> {
  const times = REPEATS[world.policy.risk];
  const results: boolean[] = [];
  for (let n = 0; n < times; n++) {
    world.signal.throwIfAborted();
    const { report, code } = await world.test(await greenTree(world));
    results.push(notGreen(world.submission, report, code) === undefined);
  }
  if (results.every((ok) => ok)) return pass(`${times} times the same`);
  const bad = results.filter((ok) => !ok).length;
  return bad === times ? fail(`failed ${times} times`) : { result: 'unstable', why: `failed ${bad} of ${times} times` };
}

async function mutation(world: GateWorld): Promise<Seen> {
  const { mirror, policy, submission, test, write, signal } = world;
  const { base, green: head } = submission;
  const files: { path: string; text: string; lines: readonly number[] }[] = [];
  for (const { path } of sources(policy, await mirror.changes(base, head))) {
    const text = canMutate(path) ? await mirror.file(head, path) : undefined;
    if (text !== undefined) files.push({ path, text, lines: await mirror.addedLines(base, head, path) });
  }
  const each = Math.max(1, Math.floor(MOST_MUTANTS / Math.max(1, files.length)));
  const mutants = files.flatMap((file) => mutantsOf(file.text, file.lines, each).map((mutant) => ({ file, mutant })));
  if (mutants.length === 0) return { result: 'none', why: 'no changed line that can be made wrong' };
  const tree = await greenTree(world);
  const survivors: string[] = [];
  for (const { file, mutant } of mutants) {
    signal.throwIfAborted();
    write(tree, file.path, applyMutant(file.text, mutant));
    if (await survives(test, tree)) survivors.push(`${file.path}:${mutant.line} "${mutant.before.trim()}" as "${mutant.after.trim()}"`);
    write(tree, file.path, file.text);
  }
  const killed = mutants.length - survivors.length;
  const percent = Math.round((killed / mutants.length) * 100);
  const figures = `${killed} of ${mutants.length} mutants noticed (${percent} %, asked ${KILLED[policy.risk]} %)`;
  return percent >= KILLED[policy.risk]
    ? pass(survivors.length === 0 ? figures : `${figures}; not noticed: ${some(survivors)}`)
    : fail(`${figures}; not noticed: ${some(survivors)}`);
}

async function survives(test: GateWorld['test'], tree: string): Promise<boolean> {
  try {
    const { report, code } = await test(tree);
    return code === 0 && report.cases.every(({ status }) => status !== 'fail');
  } catch (error) {
    if (error instanceof Unreadable) return false; // a mutant that ends the runner is noticed
    throw error;
  }
}

/** G8: the checks laid over the work, and over what was there before it. They must tell the two apart. */
export async function heldOut(world: GateWorld, { files, tests }: HeldOut): Promise<Seen> {
  const { mirror, policy, submission, test, write } = world;
  const strange = files.filter(({ path }) => !isPlainPath(path) || !matchesAny(path, policy.tests));
  if (strange.length > 0) return fail(`no tests of this repository by their names: ${some(strange.map(({ path }) => path))}`);
  const seenIn = async (tree: string): Promise<TestReport> => {
    for (const { path, text } of files) write(tree, path, text);
    return (await test(tree)).report;
  };
  const report = await seenIn(await greenTree(world));
  for (const name of tests) {
    const cases = casesNamed(report, name);
    if (cases.length === 0) return fail(`the checks have no test "${name}"`);
    if (cases.some(({ status }) => status !== 'pass')) return fail(`"${name}" does not pass${messageIn(cases)}`);
  }
  const before = await seenIn(await mirror.tree(submission.red)).catch((error: unknown) => {
    if (error instanceof Unreadable) return { cases: [] };
    throw error;
  });
  const tells = tests.some((name) => casesNamed(before, name).every(({ status }) => status !== 'pass'));
  return tells ? pass(`${tests.length} checks pass, and not without the work`) : fail('every check passes without the work too: they say nothing of it');
}

const isPlainPath = (path: string) => !path.startsWith('/') && path.split('/').every((part) => part !== '' && part !== '.' && part !== '..' && part !== '.git');

const WITH_TESTS: ReadonlySet<Gate> = new Set(['G1', 'G3', 'G2', 'G4', 'G6', 'G7']);

/** The gates that have something to look at. */
export function gatesFor({ command, checks = [] }: ProofPolicy): typeof ORDER {
  return ORDER.filter(([gate]) => (gate === 'G10' ? checks.length > 0 : command !== undefined || !WITH_TESTS.has(gate)));
}

/** In the order in which they are asked. G5 stands in all that run tests. */
const ORDER: readonly (readonly [Gate, (world: GateWorld) => Promise<Seen>])[] = [
  ['G0', existence],
  ['G1', pureRed],
  ['G3', freeze],
  ['G9', runnerDetection],
  ['G2', realRed],
  ['G4', green],
  ['G10', outside],
  ['G6', repeat],
  ['G7', mutation],
];
