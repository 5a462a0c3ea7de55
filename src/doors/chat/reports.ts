// Chat commands that show how things stand, and those that answer open questions.

import type { Approval } from '../../domain/approval.ts';
import { authorize } from '../../domain/authorize.ts';
import type { Why } from '../../domain/why.ts';
import { listApprovals } from '../../features/approvals/ops.ts';
import type { CommandEffect } from '../../features/chat/ops.ts';
import { listTasks } from '../../features/tasks/ops.ts';
import { usageReport } from '../../features/usage/methods.ts';
import { explain } from '../../features/why/ops.ts';
import type { MethodContext } from '../../ports/method.ts';

const SHOWN = 20;

/** What a thing waits for; without a name, this conversation. */
export async function whyReport({ store, workspaceId, clock }: MethodContext, key: string, argument: string): Promise<string> {
  const why = await store.call(explain, { workspaceId, id: argument || key });
  return why ? linesOf(why, clock.now(), '').join('\n') : `Nothing is known under "${argument || key}".`;
}

function linesOf({ kind, name, state, waitingFor, since, lastProgress, next, because }: Why, now: number, indent: string): string[] {
  const minutes = (at: number) => `${Math.max(0, Math.round((now - at) / 60_000))} min`;
  return [
    `${indent}- ${kind} ${name}: ${state}${waitingFor === null ? '' : `, waits for ${waitingFor}${since === null ? '' : ` since ${minutes(since)}`}`}`,
    ...(lastProgress ? [`${indent}  last progress: ${lastProgress.what}, ${minutes(lastProgress.at)} ago`] : []),
    ...(next ? [`${indent}  next: ${next.action}`] : []),
    ...because.flatMap((cause) => linesOf(cause, now, `${indent}  `)),
  ];
}

export async function tasksReport({ store, workspaceId }: MethodContext): Promise<string> {
  const tasks = await store.call(listTasks, { workspaceId, limit: 200, open: true });
  if (tasks.length === 0) return 'No task is open.';
  const lines = tasks
    .slice(0, SHOWN)
    .map(({ project, name, title, state, owner }) => `- ${project}/${name}: ${state}${owner === null ? '' : ` (${owner})`} ${title}`);
  return [...lines, ...(tasks.length > SHOWN ? [`… and ${tasks.length - SHOWN} more`] : [])].join('\n');
}

export async function usageText(context: MethodContext): Promise<string> {
  const report = (await usageReport.run(context, { days: 1, by: 'model' })) as {
    groups: readonly { name: string; calls: number; totalTokens: number; totalCost: number }[];
  }; // the shape of usage/methods
  const groups = report.groups.map(({ name, calls, totalTokens, totalCost }) => `- ${name}: ${calls} calls, ${totalTokens} tokens, $${totalCost.toFixed(2)}`);
  return groups.length > 0 ? ['Today:', ...groups].join('\n') : 'No model was asked today.';
}

/** What a question asks, in one line. */
export function questionText({ kind, request }: Pick<Approval, 'kind' | 'request'>): string {
  const { command, question, task, cwd, agentId } = request as Readonly<Record<string, unknown>>; // whichever its kind has
  const what = String(command ?? question ?? task ?? JSON.stringify(request)).slice(0, 1500);
  const who = typeof agentId === 'string' ? `Agent ${agentId}` : 'An agent';
  if (kind === 'exec') return `${who} wants to run${typeof cwd === 'string' ? ` in ${cwd}` : ''}:\n\`\`\`\n${what.replaceAll('```', "'''")}\n\`\`\``;
  return kind === 'spawn' ? `${who} wants to start a sub-agent: ${what}` : what;
}

/** `/approve [id]` and `/deny [id]`: without an id the only question, or the list. */
export async function answerQuestion(
  { store, workspaceId, principal }: MethodContext,
  argument: string,
  decision: 'allow-once' | 'deny',
): Promise<{ readonly effect: CommandEffect; readonly reply: string }> {
  const only = (reply: string) => ({ effect: { kind: 'none' } as const, reply });
  if (authorize(principal, 'operator.approvals').kind === 'denied') return only('You may not answer questions here.');
  const open = (await store.call(listApprovals, { workspaceId, limit: 100 })).filter(({ state }) => state === 'pending');
  const [word = ''] = argument.split(/\s+/);
  const named = word === '' ? (open.length === 1 ? open : []) : open.filter(({ id }) => id === word || id.endsWith(word));
  const [question] = named;
  const line = (approval: Approval, length: number) => questionText(approval).replace(/\s+/g, ' ').slice(0, length);
  if (!question || named.length > 1) {
    if (open.length === 0) return only('No question is open.');
    return only(['Name one of the open questions:', ...open.slice(0, SHOWN).map((one) => `- \`${one.id}\` ${line(one, 120)}`)].join('\n'));
  }
  return { effect: { kind: 'decide', approvalId: question.id, decision }, reply: `${decision === 'deny' ? 'Denied' : 'Approved'}: ${line(question, 200)}` };
}
