// What a task must prove, and where: written by those who split work, never by its worker.

import { z } from 'zod';
import { type HeldOut, type ProofCheck, type ProofPolicy, RISKS, type Submission, USUAL_FROZEN, USUAL_TESTS } from '../../domain/proof.ts';
import { type Check, CheckInput, CommandInput } from '../../domain/story.ts';

const paths = z.array(z.string().min(1).max(500)).min(1).max(200);

export const TaskSpecInput = z
  .strictObject({
    repo: z.string().regex(/^\//, 'an absolute path').describe('Folder of the repository. It is never guessed.'),
    target: z.string().min(1).max(200).default('main').describe('Branch that the work is merged into.'),
    risk: z.enum(RISKS).default('low'),
    paths: paths.default(['**']).describe('Where the task may change files.'),
    tests: paths.optional().describe('Patterns of tests, fixtures and snapshots. Left out: the usual ones.'),
    frozen: paths.optional().describe('Patterns of configuration that is frozen with the tests. Left out: the usual ones.'),
    scripts: z.boolean().optional().describe('Packages may run their install scripts when they are installed for the proof.'),
    stubs: z.boolean().optional().describe('RED may add stubs, so that tests fail by what they assert.'),
    command: CommandInput.optional().describe('Left out: work without tests, which the checks of its criteria prove.'),
    criteria: z
      .array(
        z.strictObject({ id: z.string().regex(/^[\w.-]{1,40}$/), text: z.string().trim().min(1).max(4000), checks: z.array(CheckInput).max(50).optional() }),
      )
      .min(1)
      .max(100),
  })
  .refine(
    ({ command, criteria }) => command !== undefined || criteria.every(({ checks }) => provable(checks).length > 0),
    'without a command for tests every criterion needs a check: a command, a file or links',
  );
export type TaskSpecInput = z.infer<typeof TaskSpecInput>;

export interface TaskSpec {
  readonly repo: string;
  readonly policy: ProofPolicy;
  readonly criteria: readonly { readonly id: string; readonly text: string }[];
}

/** Checks that the gateway carries out itself. Tests run in their runner; questions are for people. */
function provable(checks: readonly Check[] = []): readonly ProofCheck[] {
  return checks.filter((check) => check.kind !== 'test' && check.kind !== 'human');
}

export function specFrom({ repo, target, criteria, risk, paths: inside, tests, frozen, stubs, scripts, command }: TaskSpecInput): TaskSpec {
  const checks = criteria.flatMap((one) => provable(one.checks).map((check) => ({ criterion: one.id, check })));
  const policy = {
    risk,
    target,
    paths: inside,
    tests: tests ?? USUAL_TESTS,
    frozen: frozen ?? USUAL_FROZEN,
    ...(command && { command }),
    ...(checks.length > 0 && { checks }),
    ...(stubs !== undefined && { stubs }),
    ...(scripts !== undefined && { scripts }),
  };
  return { repo, criteria: criteria.map(({ id, text }) => ({ id, text })), policy };
}

export const Commit = z.string().regex(/^([0-9a-f]{40}|[0-9a-f]{64})$/, 'the whole name of a commit, as git rev-parse tells it');

export const SubmissionInput = z.strictObject({
  base: Commit.describe('The commit that the work began from.'),
  red: Commit.optional().describe('The commit that adds the failing tests, alone. Left out for work without tests.'),
  green: Commit.describe('The commit with the finished work.'),
  acToTests: z
    .record(z.string(), z.array(z.string().min(1).max(500)).min(1))
    .default({})
    .describe('The tests of each criterion, by their names.'),
  claim: z.string().max(20_000).default('').describe('In your own words. It is shown as a claim.'),
});

export function submissionFrom({ base, red, green, acToTests }: z.infer<typeof SubmissionInput>): Submission {
  return { base, red: red ?? base, green, acToTests };
}

export const HeldOutInput = z.strictObject({
  files: z
    .array(z.strictObject({ path: z.string().min(1).max(500), text: z.string().min(1).max(200_000) }))
    .min(1)
    .max(20)
    .describe('Test files, named as the tests of the repository are.'),
  tests: z.array(z.string().min(1).max(500)).min(1).max(100).describe('The tests in them by their names, edge cases among them.'),
}) satisfies z.ZodType<HeldOut>;
