// A proof of work: what is asked, what is claimed, the gates it goes through, and what comes of it.

export const RISKS = ['low', 'medium', 'high'] as const;
export type Risk = (typeof RISKS)[number];

export const RUNNERS = ['node', 'vitest', 'jest', 'pytest', 'go', 'junit', 'tap'] as const;
export type RunnerName = (typeof RUNNERS)[number];

/** How the tests of a repository are run. It is written with the task, never by its worker. */
export interface TestCommand {
  readonly runner: RunnerName;
  /** `{report}` stands for the file that the runner writes its report to. */
  readonly argv: readonly string[];
  readonly cwd?: string | undefined;
  readonly timeoutSeconds?: number | undefined;
}

/** A check that the gateway itself carries out in a clean tree. */
export type ProofCheck =
  | { readonly kind: 'command'; readonly argv: readonly string[]; readonly expectExit: number; readonly expectStdout?: string | undefined }
  | { readonly kind: 'file'; readonly path: string; readonly contains?: string | undefined; readonly absent?: boolean | undefined }
  | { readonly kind: 'link'; readonly path: string }
  | {
      readonly kind: 'http';
      /** Starts the service, which listens on the port that PORT names. */
      readonly start: readonly string[];
      readonly method: string;
      readonly path: string;
      readonly expectStatus: number;
      readonly expectBody?: string | undefined;
    }
  | {
      readonly kind: 'screenshot';
      readonly start: readonly string[];
      readonly path: string;
      readonly viewports: readonly (readonly [width: number, height: number])[];
      /** A text that the page must show. */
      readonly expectText?: string | undefined;
    };

export interface NamedCheck {
  /** The criterion that it shows. */
  readonly criterion: string;
  readonly check: ProofCheck;
}

/** What of a repository a proof must know. */
export interface ProofPolicy {
  readonly risk: Risk;
  /** Branch that the work begins from and is merged into. */
  readonly target: string;
  /** Where the task may change files. */
  readonly paths: readonly string[];
  /** Tests, fixtures and snapshots: the oracle. */
  readonly tests: readonly string[];
  /** Configuration of runners, scripts, lock files: frozen with the oracle. */
  readonly frozen: readonly string[];
  /** Left out: work without tests, which its checks prove. */
  readonly command?: TestCommand | undefined;
  /** What is looked at outside the test runner: it must fail at the base and pass at the work. */
  readonly checks?: readonly NamedCheck[] | undefined;
  /** Packages of the repository may run their install scripts. */
  readonly scripts?: boolean | undefined;
  /** RED may add stubs, so that tests fail by what they assert. */
  readonly stubs?: boolean | undefined;
}

export interface Submission {
  readonly base: string;
  readonly red: string;
  readonly green: string;
  /** Tests of each criterion, by their names in the report. */
  readonly acToTests: Readonly<Record<string, readonly string[]>>;
}

export const GATES = {
  G0: 'the commits exist, follow each other and stay inside the paths of the task',
  G1: 'the RED commit touches tests alone',
  G2: 'at RED every test of a criterion is there and fails by what it asserts',
  G3: 'tests, configuration and lock file are the same at GREEN as at RED',
  G4: 'at GREEN the tests of the criteria pass, and all that passed before passes still',
  G5: 'a report with tests in it can be read',
  G6: 'every repetition says the same',
  G7: 'changed code that is made wrong is noticed by a test',
  G8: 'checks that its worker never saw pass at GREEN, and not without the work',
  G9: 'the work does not look whether it is being tested',
  G10: 'outside the test runner it does what the criteria say, and did not before',
} as const;
export type Gate = keyof typeof GATES;

/** Without these there is nothing that could be judged. */
export const NEVER_WAIVED: readonly Gate[] = ['G0', 'G5'];

/** A human lets a gate fail: for a reason, and for a time. */
export interface Waiver {
  readonly gate: Gate;
  readonly reason: string;
  /** Epoch ms. */
  readonly until: number;
  readonly actor: string;
}

export interface GateResult {
  readonly gate: Gate;
  readonly result: 'pass' | 'fail' | 'unstable' | 'none' | 'waived';
  /** What was seen, for people: names, files, figures. */
  readonly why: string;
  readonly ms: number;
  /** sha256 of what it looked at: the same again is the same judgement. */
  readonly digest: string;
}

export type ProofWord = 'proved' | 'refuted' | 'unstable';

export interface Proof {
  readonly word: ProofWord;
  readonly gates: readonly GateResult[];
  readonly isolation: string;
  readonly head: string;
}

/** Checks that a validator writes from the criteria, before it sees the work. Its worker never sees them. */
export interface HeldOut {
  /** Test files, laid over the work. */
  readonly files: readonly { readonly path: string; readonly text: string }[];
  /** The tests in them by their names. */
  readonly tests: readonly string[];
}

export const REPEATS: Readonly<Record<Risk, number>> = { low: 3, medium: 5, high: 10 };
/** Percent of mutants that the tests must notice. */
export const KILLED: Readonly<Record<Risk, number>> = { low: 60, medium: 70, high: 80 };

export const USUAL_TESTS = [
  '**/*.test.*',
  '**/*.spec.*',
  '**/*_test.go',
  '**/test_*.py',
  '**/*_test.py',
  '**/conftest.py',
  'test/**',
  'tests/**',
  '**/test/**',
  '**/tests/**',
  '**/__tests__/**',
  '**/__snapshots__/**',
  '**/__fixtures__/**',
  '**/fixtures/**',
  'e2e/**',
  'cypress/**',
];
export const USUAL_FROZEN = [
  '**/package.json',
  '**/package-lock.json',
  '**/npm-shrinkwrap.json',
  '**/yarn.lock',
  '**/pnpm-lock.yaml',
  '**/vitest.config.*',
  '**/vite.config.*',
  '**/jest.config.*',
  '**/playwright.config.*',
  '**/cypress.config.*',
  '**/.mocharc*',
  '**/tsconfig*.json',
  '**/babel.config.*',
  '**/.babelrc*',
  '**/pytest.ini',
  '**/tox.ini',
  '**/setup.cfg',
  '**/pyproject.toml',
  '**/go.mod',
  '**/go.sum',
  '**/Cargo.lock',
  '**/.npmrc',
  '**/.nvmrc',
  '**/Makefile',
];
/** What git itself would act upon: no task may bring it. */
export const NEVER = ['**/.gitmodules', '.gitmodules', '**/.gitattributes', '.gitattributes'];

/** Words by which code finds out that it is being tested. */
export const DETECTS_RUNNER =
  /\b(NODE_TEST_CONTEXT|VITEST(?:_\w+)?|JEST_WORKER_ID|PYTEST_CURRENT_TEST|MOCHA_\w+|NODE_ENV\W{1,8}test\b|npm_lifecycle_event|CYPRESS|PLAYWRIGHT_\w+|import\.meta\.vitest)\b|\b(?:process\.argv|execArgv|sys\.argv)\b[^\n]{0,40}\btest\b|'pytest' in sys\.modules|"pytest" in sys\.modules|testing\.Testing\(\)/;
