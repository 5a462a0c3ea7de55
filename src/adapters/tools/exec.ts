// exec and process: shell commands in the agent's sandbox, in the foreground or the background.

import { resolve } from 'node:path';
import { z } from 'zod';
import type { ToolOutcome } from '../../domain/tool.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Tool, ToolContext } from '../../ports/tool.ts';
import type { Job, Jobs } from './jobs.ts';
import { capOutput } from './output.ts';

const ExecInput = z.looseObject({
  command: z.string().min(1),
  workdir: z.string().optional(),
  env: z.record(z.string(), z.coerce.string()).default({}),
  yieldMs: z.coerce.number().min(0).optional(),
  background: z.boolean().default(false),
  timeout: z.coerce.number().min(0).optional(),
  pty: z.boolean().default(false),
});

const ProcessInput = z.looseObject({
  action: z.enum(['list', 'poll', 'log', 'write', 'submit', 'paste', 'send-keys', 'kill', 'clear', 'remove']),
  sessionId: z.string().optional(),
  data: z.string().optional(),
  text: z.string().optional(),
  eof: z.boolean().default(false),
  offset: z.coerce.number().int().min(0).optional(),
  limit: z.coerce.number().int().min(1).optional(),
});

export interface ExecSettings {
  readonly timeoutSec: number;
  readonly backgroundMs: number;
  readonly network: 'none' | 'host';
  readonly pathPrepend: readonly string[];
  readonly binds: readonly string[];
  /** What an unsandboxed command gets: PATH, HOME, LANG. Never the gateway's own environment. */
  readonly baseEnv: Readonly<Record<string, string>>;
}

/** Where commands of agents look for programs. */
export function commandPath({ pathPrepend }: Pick<ExecSettings, 'pathPrepend'>, env: Readonly<Record<string, string>>): string {
  return [...pathPrepend, env['PATH'] ?? '/usr/bin:/bin'].join(':');
}

export function createExecTool(jobs: Jobs, settings: ExecSettings, clock: Clock): Tool {
  return {
    spec: {
      name: 'exec',
      about: 'Run a shell command in the workspace. A command that takes long goes on in the background; follow it with the process tool.',
      schema: {
        type: 'object',
        required: ['command'],
        properties: {
          command: { description: 'The command line, run by the shell', type: 'string' },
          workdir: { description: 'Folder to run it in (default: the workspace)', type: 'string' },
          env: { description: 'Extra environment variables', type: 'object' },
          yieldMs: { description: `Wait this long before the command goes to the background (default ${settings.backgroundMs})`, type: 'number' },
          background: { description: 'Go to the background at once', type: 'boolean' },
          timeout: { description: `Kill the command after this many seconds (default ${settings.timeoutSec})`, type: 'number' },
          pty: { description: 'Run in a pseudo-terminal, for programs that ask for one', type: 'boolean' },
          elevated: { type: 'boolean' },
          host: { type: 'string' },
          security: { type: 'string' },
          ask: { type: 'string' },
          node: { type: 'string' },
        },
      },
      idempotent: false,
      parallel: false,
    },
    run: async (input, context) => {
      const parsed = ExecInput.safeParse(input);
      if (!parsed.success) return failed(`The input is not valid: ${z.prettifyError(parsed.error)}`);
      if (!context.sandbox.ok) return failed(context.sandbox.refusal);
      const { command, workdir, env, background, timeout, pty } = parsed.data;
      const { sandbox } = context.sandbox;
      const cwd = resolve(context.workspace, workdir ?? '.');
      if (sandbox.level !== 'none' && cwd !== context.workspace && !cwd.startsWith(`${context.workspace}/`)) {
        return failed(`workdir ${cwd} is outside the workspace ${context.workspace}`);
      }
      const permission = await context.mayRun({ command, cwd, env }, context.callId);
      if (!permission.ok) return 'waits' in permission ? { text: '', isError: false, waits: permission.waits } : failed(permission.refusal);
      const wrapped = sandbox.wrap({
        argv: pty ? ['/usr/bin/script', '-qefc', command, '/dev/null'] : ['/bin/sh', '-c', command],
        cwd,
        workspace: context.workspace,
        binds: settings.binds,
        hidden: context.forbidden,
        network: settings.network,
        env: { ...settings.baseEnv, ...env, PATH: commandPath(settings, settings.baseEnv), CLAWDBOT_RUN: context.runId },
      });
      const timeoutMs = (timeout ?? settings.timeoutSec) * 1000;
      const job = await jobs.start({ agentId: context.agentId, runId: context.runId, command, wrapped, cwd, level: sandbox.level, timeoutMs });
      await waitFor(job, background ? 0 : (parsed.data.yieldMs ?? settings.backgroundMs), context.signal, clock);
      if (context.signal.aborted && job.state().kind === 'running') {
        job.kill('killed');
        await job.ended;
      }
      const outcome = await report(job, context);
      if (job.state().kind === 'exited') jobs.remove(job.id);
      return outcome;
    },
  };
}

async function waitFor(job: Job, ms: number, signal: AbortSignal, clock: Clock): Promise<void> {
  const waited = new AbortController();
  await Promise.race([job.ended, clock.sleep(ms, AbortSignal.any([signal, waited.signal]))]);
  waited.abort();
}

async function report(job: Job, { blobs }: ToolContext): Promise<ToolOutcome> {
  const state = job.state();
  const base = { sandbox: job.level, cwd: job.cwd };
  if (state.kind === 'running') {
    const tail = job.news().slice(-2000);
    return {
      text: `${tail === '' ? '' : `${tail}\n\n`}Command still running (session ${job.id}, pid ${job.pid}). Use process (list/poll/log/write/kill/clear/remove) for follow-up.`,
      isError: false,
      details: { status: 'running', sessionId: job.id, pid: job.pid, startedAt: job.startedAt, tail, ...base },
    };
  }
  const { text, blob } = await capOutput(job.output().trimEnd(), blobs);
  const more = { exitCode: state.code, durationMs: state.endedAt - job.startedAt, ...(blob && { blob }), ...base };
  const problem = problemOf(state);
  if (problem === undefined) return { text: text === '' ? '(no output)' : text, isError: false, details: { status: 'completed', ...more } };
  const said = text === '' ? problem : `${text}\n\n${problem}`;
  return { text: said, isError: state.reason !== 'ended', details: { status: 'error', tool: 'exec', ...more } };
}

function problemOf({ reason, code, signal }: Extract<ReturnType<Job['state']>, { kind: 'exited' }>): string | undefined {
  if (reason === 'timeout') return 'Command timed out and was killed';
  if (reason === 'killed') return 'Command was killed';
  if (reason === 'not_started') return 'Command was not started';
  if (code === 0) return undefined;
  return code === null ? `Command was ended by ${signal ?? 'a signal'}` : `Command exited with code ${code}`;
}

export function createProcessTool(jobs: Jobs): Tool {
  return {
    spec: {
      name: 'process',
      about: 'Look after background commands: list, poll, log, write, kill, remove.',
      schema: {
        type: 'object',
        required: ['action'],
        properties: {
          action: { description: 'list, poll (new output), log (all output), write, submit (write and Enter), kill, clear, remove', type: 'string' },
          sessionId: { description: 'The command, as exec named it; needed for everything but list', type: 'string' },
          data: { description: 'What write sends to the command', type: 'string' },
          keys: { type: 'array', items: { type: 'string' } },
          hex: { type: 'array', items: { type: 'string' } },
          literal: { type: 'string' },
          text: { description: 'Same as data, for paste and submit', type: 'string' },
          bracketed: { type: 'boolean' },
          eof: { description: 'Close the input after writing', type: 'boolean' },
          offset: { description: 'First line of log', type: 'number' },
          limit: { description: 'Lines of log', type: 'number' },
        },
      },
      idempotent: false,
      parallel: false,
    },
    run: async (input, context) => {
      const parsed = ProcessInput.safeParse(input);
      if (!parsed.success) return failed(`The input is not valid: ${z.prettifyError(parsed.error)}`);
      const { action, sessionId } = parsed.data;
      if (action === 'list') return listJobs(jobs, context.agentId);
      const job = sessionId === undefined ? undefined : jobs.find(sessionId, context.agentId);
      if (!job)
        return failed(
          sessionId === undefined ? `${action} needs sessionId` : `No command "${sessionId}" is known; it may have ended with an earlier worker. Use list.`,
        );
      return act(jobs, job, parsed.data, context);
    },
  };
}

async function act(jobs: Jobs, job: Job, { action, data, text, eof, offset, limit }: z.infer<typeof ProcessInput>, context: ToolContext): Promise<ToolOutcome> {
  const said = data ?? text ?? '';
  switch (action) {
    case 'poll':
      return job.state().kind === 'running'
        ? { text: job.news() || '(no new output)', isError: false, details: { status: 'running', sessionId: job.id } }
        : report(job, context);
    case 'log': {
      const lines = job.output().split('\n');
      const from = offset ?? 0;
      const { text: shown, blob } = await capOutput(lines.slice(from, limit === undefined ? undefined : from + limit).join('\n'), context.blobs);
      return { text: shown || '(no output)', isError: false, details: { status: job.state().kind, totalLines: lines.length, ...(blob && { blob }) } };
    }
    case 'write':
    case 'paste':
    case 'submit':
      return job.write(action === 'submit' ? `${said}\n` : said, eof)
        ? { text: `Sent ${said.length} characters to ${job.id}`, isError: false }
        : failed(`${job.id} takes no more input`);
    case 'kill':
      job.kill('killed');
      await job.ended;
      return { text: `Killed ${job.id}`, isError: false };
    case 'clear':
    case 'remove':
      job.kill('killed');
      await job.ended;
      jobs.remove(job.id);
      return { text: `Removed ${job.id}`, isError: false };
    default:
      return failed(`${action} is not available; use write with the characters themselves`);
  }
}

function listJobs(jobs: Jobs, agentId: string): ToolOutcome {
  const lines = jobs.list(agentId).map((job) => {
    const state = job.state();
    return `${job.id}  ${state.kind === 'running' ? 'running' : `exited ${state.code ?? state.signal ?? ''}`}  ${job.command.slice(0, 100)}`;
  });
  return { text: lines.join('\n') || 'No commands.', isError: false };
}

function failed(text: string): ToolOutcome {
  return { text, isError: true };
}
