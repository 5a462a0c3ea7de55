// exec_listed and report: what a worker for commands has in place of a shell. It names a command of its task by number.

import { resolve } from 'node:path';
import { z } from 'zod';
import { EXEC_LISTED, type ListedCommand, showArgv } from '../../domain/command.ts';
import type { Clock } from '../../kit/clock.ts';
import { sha256Hex } from '../../kit/id.ts';
import type { Tool } from '../../ports/tool.ts';
import { commandPath, type ExecSettings } from './exec.ts';
import type { Jobs } from './jobs.ts';

const SHOWN_BYTES = 8192;
const Input = z.looseObject({ i: z.coerce.number().int().min(0) });
const ReportInput = z.looseObject({ text: z.string().min(1) });

export function createListedTools(commands: readonly ListedCommand[], jobs: Jobs, settings: ExecSettings, clock: Clock): readonly Tool[] {
  const execListed: Tool = {
    spec: {
      name: EXEC_LISTED,
      about: `Run one of the commands that your task lists, by its number (0 to ${commands.length - 1}). There are no others.`,
      schema: { type: 'object', required: ['i'], properties: { i: { type: 'number', description: 'Number of the command' } } },
      idempotent: false,
      parallel: false,
    },
    run: async (input, context) => {
      const { i = -1 } = Input.safeParse(input).data ?? {};
      const command = commands[i];
      if (!command) return { text: `There is no command ${i}: the task lists 0 to ${commands.length - 1}.`, isError: true };
      if (!context.sandbox.ok) return { text: context.sandbox.refusal, isError: true };
      const { sandbox } = context.sandbox;
      const { argv, timeoutSeconds = settings.timeoutSec } = command;
      const cwd = resolve(context.workspace, command.cwd ?? '.');
      if (cwd !== context.workspace && !cwd.startsWith(`${context.workspace}/`))
        return { text: `${cwd} is outside the workspace ${context.workspace}`, isError: true };
      const shown = showArgv(argv);
      const permission = await context.mayRun({ command: shown, argv, cwd, env: {} }, context.callId);
      if (!permission.ok) return 'waits' in permission ? { text: '', isError: false, waits: permission.waits } : { text: permission.refusal, isError: true };
      const wrapped = sandbox.wrap({
        argv,
        cwd,
        workspace: context.workspace,
        binds: settings.binds,
        hidden: context.forbidden,
        network: 'none',
        env: { ...settings.baseEnv, PATH: commandPath(settings, settings.baseEnv), CLAWDBOT_RUN: context.runId },
      });
      const job = await jobs.start({
        agentId: context.agentId,
        runId: context.runId,
        command: shown,
        wrapped,
        cwd,
        level: sandbox.level,
        timeoutMs: timeoutSeconds * 1000,
      });
      const stopped = new AbortController();
      await Promise.race([job.ended, clock.sleep(2 ** 31 - 1, AbortSignal.any([context.signal, stopped.signal]))]);
      stopped.abort();
      if (job.state().kind === 'running') job.kill('killed');
      await job.ended;
      const state = job.state();
      const output = job.output();
      jobs.remove(job.id);
      const exitCode = state.kind === 'exited' ? state.code : null;
      const why = state.kind === 'exited' && state.reason !== 'ended' ? ` (${state.reason})` : '';
      const details = { argv, cwd, exitCode, outputSha256: sha256Hex(output), outputBytes: Buffer.byteLength(output), sandbox: sandbox.level };
      const bytes = Buffer.from(output, 'utf8');
      const text =
        bytes.length > SHOWN_BYTES ? `${bytes.subarray(0, SHOWN_BYTES).toString('utf8')}\n[the first 8 KB of ${bytes.length} bytes]` : output.trimEnd();
      return {
        text: `$ ${shown}\nexit code ${exitCode ?? 'none'}${why}, output sha256 ${details.outputSha256}\n${text}`.trimEnd(),
        isError: exitCode !== 0,
        details,
      };
    },
  };
  const report: Tool = {
    spec: {
      name: 'report',
      about: 'Say what came of the commands. It is shown to the one you work for as your claim.',
      schema: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } },
      idempotent: true,
      parallel: true,
    },
    run: async (input) => {
      const parsed = ReportInput.safeParse(input);
      return parsed.success
        ? { text: 'Noted. End your turn with the same words.', isError: false, details: { claim: parsed.data.text } }
        : { text: 'report needs a text', isError: true };
    },
  };
  return [execListed, report];
}
