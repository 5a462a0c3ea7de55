// How the tests of a runner are asked for a report, and how that is read.

import type { TestReport } from '../domain/test-report.ts';

export interface ReportReader {
  /** The command with what makes the runner write a report: to `file`, or to its output. */
  readonly argv: (command: readonly string[], file: string) => readonly string[];
  /** @throws Error when it is no report */
  readonly read: (output: { readonly stdout: string; readonly file: string | undefined }) => TestReport;
}
