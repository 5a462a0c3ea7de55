// What a task must prove, and where: written by those who split work, never by its worker.

import { z } from 'zod';
import { type HeldOut, type ProofPolicy, RISKS, RUNNERS, USUAL_FROZEN, USUAL_TESTS } from '../../domain/proof.ts';

const paths = z.array(z.string().min(1).max(500)).min(1).max(200);

export const TaskSpecInput = z.strictObject({
  repo: z.string().regex(/^\//, 'an absolute path').describe('Folder of the repository. It is never guessed.'),
  target: z.string().min(1).max(200).default('main').describe('Branch that the work is merged into.'),
  risk: z.enum(RISKS).default('low'),
  paths: paths.default(['**']).describe('Where the task may change files.'),
  tests: paths.optional().describe('Patterns of tests, fixtures and snapshots. Left out: the usual ones.'),
  frozen: paths.optional().describe('Patterns of configuration that is frozen with the tests. Left out: the usual ones.'),
  stubs: z.boolean().optional().describe('RED may add stubs, so that tests fail by what they assert.'),
  command: z.strictObject({
    runner: z.enum(RUNNERS),
    argv: z.array(z.string().min(1)).min(1).max(100).describe('How the tests are run, as words; {report} is the file for the report of junit and tap.'),
    cwd: z
      .string()
      .max(500)
      .refine((path) => !path.startsWith('/') && !path.split('/').includes('..'), 'a folder inside the repository')
      .optional(),
    timeoutSeconds: z.number().positive().max(3600).optional(),
  }),
  criteria: z
    .array(z.strictObject({ id: z.string().regex(/^[\w.-]{1,40}$/), text: z.string().trim().min(1).max(2000) }))
    .min(1)
    .max(100),
});
export type TaskSpecInput = z.infer<typeof TaskSpecInput>;

export interface TaskSpec {
  readonly repo: string;
  readonly policy: ProofPolicy;
  readonly criteria: readonly { readonly id: string; readonly text: string }[];
}

export function specFrom({ repo, target, criteria, risk, paths: inside, tests, frozen, stubs, command }: TaskSpecInput): TaskSpec {
  const policy = { risk, target, paths: inside, tests: tests ?? USUAL_TESTS, frozen: frozen ?? USUAL_FROZEN, command, ...(stubs !== undefined && { stubs }) };
  return { repo, criteria, policy };
}

export const Commit = z.string().regex(/^([0-9a-f]{40}|[0-9a-f]{64})$/, 'the whole name of a commit, as git rev-parse tells it');

export const SubmissionInput = z.strictObject({
  base: Commit.describe('The commit that the work began from.'),
  red: Commit.describe('The commit that adds the failing tests, alone.'),
  green: Commit.describe('The commit with the finished work.'),
  acToTests: z.record(z.string(), z.array(z.string().min(1).max(500)).min(1)).describe('The tests of each criterion, by their names.'),
  claim: z.string().max(20_000).default('').describe('In your own words. It is shown as a claim.'),
});

export const HeldOutInput = z.strictObject({
  files: z
    .array(z.strictObject({ path: z.string().min(1).max(500), text: z.string().min(1).max(200_000) }))
    .min(1)
    .max(20)
    .describe('Test files, named as the tests of the repository are.'),
  tests: z.array(z.string().min(1).max(500)).min(1).max(100).describe('The tests in them by their names, edge cases among them.'),
}) satisfies z.ZodType<HeldOut>;
