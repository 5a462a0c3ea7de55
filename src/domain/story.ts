// A story: acceptance criteria as records, rendered as Gherkin and as EARS, and the lint that refuses what cannot be refuted.

import { z } from 'zod';
import { RISKS, type Risk, RUNNERS } from './proof.ts';

const text = (most: number) => z.string().trim().min(1).max(most);
const inside = z
  .string()
  .min(1)
  .max(500)
  .refine((path) => !path.startsWith('/') && !path.split('/').includes('..'), 'a path inside the repository');

export const CheckInput = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('test'), test: text(500).describe('The test by its name in the report.') }),
  z.strictObject({
    kind: z.literal('command'),
    argv: z.array(z.string().min(1).max(2000)).min(1).max(100),
    expectExit: z.int().min(0).max(255).default(0),
    expectStdout: text(2000).optional().describe('A text that the output must hold.'),
  }),
  z.strictObject({ kind: z.literal('file'), path: inside, contains: text(2000).optional(), absent: z.boolean().optional() }),
  z.strictObject({ kind: z.literal('link'), path: inside.describe('A document whose links into the repository must lead somewhere.') }),
  z.strictObject({
    kind: z.literal('http'),
    start: z.array(z.string().min(1).max(2000)).min(1).max(100).describe('Starts the service; it listens on 127.0.0.1 at the port that PORT names.'),
    method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']).default('GET'),
    path: z.string().regex(/^\//).max(2000),
    expectStatus: z.int().min(100).max(599).default(200),
    expectBody: text(2000).optional().describe('A text that the body must hold.'),
  }),
  z.strictObject({
    kind: z.literal('screenshot'),
    start: z.array(z.string().min(1).max(2000)).min(1).max(100).describe('Starts the service; it listens on 127.0.0.1 at the port that PORT names.'),
    path: z.string().regex(/^\//).max(2000).default('/'),
    viewports: z
      .array(z.tuple([z.int().min(100).max(4000), z.int().min(100).max(4000)]))
      .min(1)
      .max(10)
      .default([
        [1920, 1080],
        [768, 1024],
        [375, 667],
      ]),
    expectText: text(2000).optional().describe('A text that the page must show.'),
  }),
  z.strictObject({ kind: z.literal('human'), question: text(1000), owner: text(200) }),
]);
export type Check = z.infer<typeof CheckInput>;

export const CriterionInput = z.strictObject({
  id: z
    .string()
    .regex(/^[\w.-]{1,40}$/)
    .describe('AC-1'),
  given: text(1000).optional(),
  while: text(1000).optional(),
  when: text(1000).optional(),
  where: text(1000).optional(),
  if: text(1000).optional().describe('The unwanted case: what must be refused or survived.'),
  then: text(1000),
  observable: z.string().trim().max(500).default('').describe('What is looked at: exit code, HTTP body, file, screen, figure.'),
  limit: z.strictObject({ op: z.enum(['<', '<=', '=', '>=', '>']), value: z.number(), unit: text(40) }).optional(),
  checks: z.array(CheckInput).max(50).default([]),
  risk: z.enum(RISKS).default('low'),
});
export type Criterion = z.infer<typeof CriterionInput>;

export const CommandInput = z.strictObject({
  runner: z.enum(RUNNERS),
  argv: z.array(z.string().min(1)).min(1).max(100).describe('How the tests are run, as words; {report} is the file for the report of junit and tap.'),
  cwd: inside.optional(),
  timeoutSeconds: z.number().positive().max(3600).optional(),
});

export const StoryInput = z.strictObject({
  value: z.string().trim().max(4000).default('').describe('Who gets what, and how it will be seen.'),
  repo: z.string().max(1000).default('').describe('Absolute path of the repository that it belongs to.'),
  target: text(200).default('main'),
  command: CommandInput.optional().describe('How the tests of the repository are run.'),
  paths: z.array(text(500)).max(200).default(['**']),
  criteria: z.array(CriterionInput).max(100).default([]),
  contingencies: z
    .array(z.strictObject({ if: text(1000), then: text(1000) }))
    .max(50)
    .default([]),
  dependencies: z.array(text(200)).max(50).default([]).describe('Stories that must be done first, by name; ["none"] when there are none.'),
});
export type Story = z.infer<typeof StoryInput>;

export function riskOf({ criteria }: Pick<Story, 'criteria'>): Risk {
  return RISKS[Math.max(0, ...criteria.map(({ risk }) => RISKS.indexOf(risk)))] ?? 'low';
}

/** The stories that one waits for: those of its own plan. */
export function waitedStories({ dependencies }: Pick<Story, 'dependencies'>): string[] {
  return dependencies.filter((name) => !/^none\b/i.test(name));
}

const lowerFirst = (phrase: string) => (/^[A-Z][a-z]/.test(phrase) ? phrase.charAt(0).toLowerCase() + phrase.slice(1) : phrase).replace(/[.;,\s]+$/, '');
const limitText = ({ limit }: Criterion) => (limit ? ` (${limit.op} ${limit.value} ${limit.unit})` : '');

/** `While …, when …, the system shall …` */
export function asEars(criterion: Criterion): string {
  const { given, while: during, when, where, if: unwanted, then } = criterion;
  const before = [
    given && `given ${lowerFirst(given)}`,
    where && `where ${lowerFirst(where)}`,
    during && `while ${lowerFirst(during)}`,
    when && `when ${lowerFirst(when)}`,
  ];
  const trigger = [...before, unwanted && `if ${lowerFirst(unwanted)}, then`].filter((part) => part !== undefined && part !== '').join(', ');
  const sentence = `${trigger}${trigger === '' ? '' : unwanted === undefined ? ', ' : ' '}the system shall: ${lowerFirst(then)}${limitText(criterion)}.`;
  return sentence.charAt(0).toUpperCase() + sentence.slice(1);
}

/** `Scenario: … Given … When … Then …` */
export function asGherkin(criterion: Criterion): string {
  const { id, given, while: during, when, where, if: unwanted, then } = criterion;
  const givens = [given, where, during].flatMap((part) => (part === undefined ? [] : [part]));
  const whens = [when, unwanted].flatMap((part) => (part === undefined ? [] : [part]));
  const steps = (word: string, parts: readonly string[]) => parts.map((part, i) => `  ${i === 0 ? word : 'And'} ${lowerFirst(part)}`);
  return [`Scenario: ${id}`, ...steps('Given', givens), ...steps('When', whens), `  Then ${lowerFirst(then)}${limitText(criterion)}`].join('\n');
}

/** What a worker, a judge and the page of the proof read. */
export function criterionText(criterion: Criterion): string {
  return `${asEars(criterion)}${criterion.observable === '' ? '' : ` Seen in: ${criterion.observable}.`}`;
}

/** Whether what a task has to prove is the criterion as it stands now. */
export function isCoveredBy(criterion: Criterion, proves: readonly { readonly id: string; readonly text: string }[]): boolean {
  return proves.some(({ id, text: said }) => id === criterion.id && said === criterionText(criterion));
}

export interface Finding {
  /** The criterion or the section it is about. */
  readonly at: string;
  readonly problem: string;
  /** What to write in its place. */
  readonly instead: string;
}

/** What lint cannot know by itself. */
export interface StoryFacts {
  /** Undefined: fine. Otherwise what is wrong with the repository or its branch. */
  readonly repo: string | undefined;
  /** Programs that checks name and this machine does not have. */
  readonly missingPrograms: readonly string[];
  /** Stories that it waits for and nobody knows. */
  readonly unknownStories: readonly string[];
}

const VAGUE =
  /\b(fast(er)?|quick(ly)?|slow(ly)?|eas(y|ily)|simpl[ey]|intuitive(ly)?|robust(ly)?|reliabl[ey]|user[- ]?friendly|properly|correctly|appropriate(ly)?|adequate(ly)?|good|nice(ly)?|better|efficient(ly)?|performant|seamless(ly)?|scalable|flexible|secure(ly)?|graceful(ly)?|reasonabl[ey]|sensibl[ey]|as needed|as expected|when possible|etc|and so on|several|many|soon|optimal(ly)?|modern|clean(ly)?|high quality)\b/i;
/** A second outcome after an `and`: another subject, or another verb. */
const TWO_OUTCOMES =
  /(\band\b|;|\bas well as\b)\s+(also |then )?(it|the|a|an|no|there|is|are|was|must|shall|will|returns?|shows?|sends?|writes?|logs?|answers?|creates?|deletes?|keeps?|stores?|closes?|opens?|starts?|stops?|refuses?)\b/i;

/** Everything that keeps a story from being approved, with what to write instead. Empty when it is fine. */
export function lintStory(story: Story, facts: StoryFacts): Finding[] {
  const found: Finding[] = [];
  const say = (at: string, problem: string, instead: string) => found.push({ at, problem, instead });
  const { criteria, contingencies, dependencies, repo, value } = story;
  if (value === '') say('value', 'it does not say who gets what', 'one sentence: who gets what, and how it will be seen');
  if (repo === '') say('repo', 'it names no repository', 'the absolute path of the repository: it is never guessed');
  else if (facts.repo !== undefined) say('repo', facts.repo, 'the absolute path of a git repository on this machine, and a branch that it has');
  if (criteria.length === 0)
    say('criteria', 'there is not one acceptance criterion', 'at least one: when <trigger>, then <outcome>, seen in <observable>, with a check');
  for (const id of twice(criteria.map((one) => one.id))) say(id, 'two criteria have this id', 'an id of its own for each');
  for (const criterion of criteria) lintCriterion(criterion, story, facts, say);
  const risk = riskOf(story);
  if (risk !== 'low' && !criteria.some((one) => one.if !== undefined))
    say('criteria', `a story of ${risk} risk has no negative case`, 'a criterion with "if": the unwanted case, and what must happen then');
  if (contingencies.length === 0) say('contingencies', 'the section is empty', 'what may go wrong, and what is done then: [{ "if": …, "then": … }]');
  if (dependencies.length === 0) say('dependencies', 'the section is empty', 'the stories that must be done first, by name, or ["none"]');
  for (const name of facts.unknownStories) say('dependencies', `its plan has no story "${name}"`, 'the name of a story of the same plan, or ["none"]');
  return found;
}

function lintCriterion(criterion: Criterion, story: Story, facts: StoryFacts, say: (at: string, problem: string, instead: string) => void): void {
  const { id, when, while: during, where, if: unwanted, then, observable, limit, checks, given } = criterion;
  if ([when, during, where, unwanted].every((part) => part === undefined))
    say(id, 'nothing triggers it', 'when <event>, while <state>, where <option> or if <unwanted case>');
  if (observable === '') say(id, 'nothing is said to be looked at', 'observable: the exit code, HTTP answer, file, screen or figure that shows it');
  const vague = limit ? undefined : VAGUE.exec([given, when, during, where, unwanted, then].join(' | '))?.[0];
  if (vague !== undefined)
    say(id, `"${vague}" can be neither met nor missed`, 'what would be measured, with a limit: { "op": "<=", "value": 200, "unit": "ms" }');
  if (TWO_OUTCOMES.test(then)) say(id, 'it joins two outcomes', 'two criteria, one outcome each');
  if (checks.length === 0) say(id, 'it has no check', 'a test, a command, an HTTP request, a file, links, a screenshot, or a question that a human answers');
  for (const check of checks) {
    if (check.kind === 'test' && !story.command)
      say(id, `the test "${check.test}" cannot run`, 'command: how the tests of the repository are run, as { runner, argv }');
    const program = programOf(check);
    if (program !== undefined && facts.missingPrograms.includes(program))
      say(id, `the command ${program} is not on this machine`, 'a program that is there, or one inside the repository (./name)');
  }
}

/** What a check starts, where it starts anything. */
export function programOf(check: Check): string | undefined {
  if (check.kind === 'command') return check.argv[0];
  return check.kind === 'http' || check.kind === 'screenshot' ? check.start[0] : undefined;
}

function twice(names: readonly string[]): string[] {
  return [...new Set(names.filter((name, i) => names.indexOf(name) !== i))];
}
