// Validation problems in the words that existing clients parse and show.

import type { z } from 'zod';

type Issue = z.core.$ZodIssue;

/** `at root: must have required property 'x'; at /client/id: must be string`. */
export function describeIssues(error: z.ZodError, input: unknown): string {
  return error.issues.flatMap((issue) => describe(issue, input)).join('; ');
}

function describe(issue: Issue, input: unknown): string[] {
  const at = issue.path.length === 0 ? 'at root' : `at /${issue.path.join('/')}`;
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => `${at}: unexpected property '${key}'`);
    case 'invalid_type': {
      if (valueAt(input, issue.path) !== undefined || issue.path.length === 0) return [`${at}: must be ${typeName(issue.expected)}`];
      const parent = issue.path.length === 1 ? 'at root' : `at /${issue.path.slice(0, -1).join('/')}`;
      return [`${parent}: must have required property '${String(issue.path.at(-1))}'`];
    }
    case 'invalid_value':
      return [`${at}: must be equal to constant`, `${at}: must match a schema in anyOf`];
    case 'too_small':
      return [issue.origin === 'string' ? `${at}: must NOT have fewer than ${issue.minimum} characters` : `${at}: must be >= ${issue.minimum}`];
    case 'too_big':
      return [issue.origin === 'string' ? `${at}: must NOT have more than ${issue.maximum} characters` : `${at}: must be <= ${issue.maximum}`];
    default:
      return [`${at}: ${issue.message}`];
  }
}

function typeName(expected: string): string {
  return expected === 'int' ? 'integer' : expected;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let inner = value;
  for (const key of path) {
    if (inner === null || typeof inner !== 'object') return undefined;
    inner = (inner as Record<PropertyKey, unknown>)[key]; // an object, checked above
  }
  return inner;
}

/** Close reasons may hold 123 bytes. */
export function closeReason(text: string): string {
  return Buffer.from(text)
    .subarray(0, 123)
    .toString('utf8')
    .replace(/\uFFFD+$/, '');
}
