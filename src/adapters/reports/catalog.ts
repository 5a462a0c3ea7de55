// The list of test runners: how each is asked for a report, and who reads it.

import type { RunnerName } from '../../domain/proof.ts';
import type { ReportReader } from '../../ports/report.ts';
import { readGo } from './go.ts';
import { readJest } from './jest.ts';
import { readJunit } from './junit.ts';
import { readTap } from './tap.ts';

const inFile = (argv: readonly string[], file: string) => argv.map((word) => word.replaceAll('{report}', file));

function written(file: string | undefined): string {
  if (file === undefined) throw new Error('the runner wrote no report');
  return file;
}

export const REPORTS: Readonly<Record<RunnerName, ReportReader>> = {
  node: { argv: (argv) => [...argv, '--test-reporter=junit', '--test-reporter-destination=stdout'], read: ({ stdout }) => readJunit(stdout) },
  vitest: { argv: (argv, file) => [...argv, '--reporter=json', `--outputFile=${file}`], read: ({ file }) => readJest(written(file)) },
  jest: { argv: (argv, file) => [...argv, '--json', `--outputFile=${file}`], read: ({ file }) => readJest(written(file)) },
  pytest: { argv: (argv, file) => [...argv, `--junitxml=${file}`], read: ({ file }) => readJunit(written(file)) },
  go: { argv: (argv) => [...argv, '-json'], read: ({ stdout }) => readGo(stdout) },
  junit: { argv: inFile, read: ({ stdout, file }) => readJunit(file ?? stdout) },
  tap: { argv: inFile, read: ({ stdout, file }) => readTap(file ?? stdout) },
};
