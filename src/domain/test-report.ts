// What a test runner said, whichever it was.

export interface TestCase {
  /** File and names from the outside in, as the runner tells them: the name that criteria use. */
  readonly name: string;
  readonly status: 'pass' | 'fail' | 'skip';
  /** Of one that failed: by an assertion, or because it could not run at all. */
  readonly failure?: 'assertion' | 'error';
  readonly message?: string;
}

export interface TestReport {
  readonly cases: readonly TestCase[];
}

const ASSERTION =
  /assert|expect(ed|ation)?\b|to (be|equal|match|have|throw|contain)|not equal|deep-?equal|AssertionError|ERR_ASSERTION|ERR_TEST_FAILURE.*assert|Failed: |E {3}assert|Error Trace/i;
const LOAD =
  /Cannot find module|ERR_MODULE_NOT_FOUND|SyntaxError|is not exported|does not provide an export|ImportError|ModuleNotFoundError|IndentationError|undefined: \w|build failed|is not a function|is not defined|ReferenceError|TypeError: Cannot read/i;

/** Whether a failure is the judgement of a test, or only that something could not be loaded or called. */
export function failureKind(message: string): 'assertion' | 'error' {
  return LOAD.test(message) && !/AssertionError|ERR_ASSERTION|E {3}assert/.test(message) ? 'error' : ASSERTION.test(message) ? 'assertion' : 'error';
}

/** Cases of a name: a criterion may leave out the file, or outer names. */
export function casesNamed(report: TestReport, name: string): readonly TestCase[] {
  const wanted = name.trim();
  const exact = report.cases.filter((one) => one.name === wanted);
  return exact.length > 0 ? exact : report.cases.filter((one) => one.name.endsWith(` > ${wanted}`) || one.name.split(' > ').at(-1) === wanted);
}
