// The list of the agents' tools.

import type { Clock } from '../../kit/clock.ts';
import type { Tool } from '../../ports/tool.ts';
import { createExecTool, createProcessTool, type ExecSettings } from './exec.ts';
import { editTool, readTool, writeTool } from './files.ts';
import type { Jobs } from './jobs.ts';

export function createTools({ jobs, exec, clock }: { readonly jobs: Jobs; readonly exec: ExecSettings; readonly clock: Clock }): readonly Tool[] {
  return [readTool, editTool, writeTool, createExecTool(jobs, exec, clock), createProcessTool(jobs)];
}
