// Plans for the terminal: trees with the state of each, and one item as a page.

import type { EpicBody, PlanBody } from '../../domain/plan.ts';
import { storyText } from '../../domain/plan-file.ts';
import type { PlanNode, Shown } from './tree.ts';

const MARK: Readonly<Record<string, string>> = {
  done: '✔',
  completed: '✔',
  merging: '✔',
  blocked: '!',
  parked: '!',
  lint_failed: '!',
  cancelled: '×',
  abandoned: '×',
  rejected: '×',
  working: '▸',
  in_progress: '▸',
  active: '▸',
  proving: '▸',
  in_validation: '▸',
  submitted: '▸',
  accepting: '▸',
};
const mark = (state: string) => MARK[state] ?? '·';

/** One line for each plan, epic, story and task. */
export function treeText(nodes: readonly PlanNode[], indent = ''): string {
  return nodes.map((node) => lines(node, indent)).join('');
}

function lines({ name, title, state, below, tasks }: PlanNode, indent: string): string {
  const own = `${indent}${mark(state)} ${name} ${title} [${state}]\n`;
  const work = tasks.map((task) => {
    const waits = task.state === 'draft' && task.dependsOn.length > 0 ? `, waits for ${task.dependsOn.join(', ')}` : '';
    const blocked = task.blocked === null ? '' : `: ${task.blocked.owner} must ${task.blocked.action}`;
    return `${indent}  ${mark(task.state)} ${task.name} ${task.title} [${task.state}${task.attempts > 0 ? `, sent back ${task.attempts}x` : ''}${waits}${blocked}]\n`;
  });
  return own + treeText(below, `${indent}  `) + work.join('');
}

/** One plan, epic or story with all that is known of it. */
export function itemText({ item, comments, node }: Shown): string {
  const { kind, name, title, state, origin, risk, body, findings } = item;
  const page =
    kind === 'story'
      ? storyText({ name, title, state, parent: null, body })
      : `# ${name}: ${title}\n\n${state}${kind === 'plan' ? `, ${origin === 'owner' ? 'ordered by the owner' : 'a proposal'}` : ''}\n`;
  const sections = kind === 'plan' ? planSections(body as PlanBody) : kind === 'epic' ? [(body as EpicBody).aim] : [`Risk: ${risk}`]; // by kind
  const lint = findings.map(({ at, problem, instead }) => `- ${at}: ${problem}. Write: ${instead}`);
  return [
    page.trimEnd(),
    ...sections.filter((text) => text !== ''),
    ...(lint.length > 0 ? [`## What lint says\n\n${lint.join('\n')}`] : []),
    ...(comments.length > 0 ? [`## Comments\n\n${comments.map(({ who, text, at }) => `- ${new Date(at).toISOString()} ${who}: ${text}`).join('\n')}`] : []),
    `## Where it is\n\n${treeText([node]).trimEnd()}`,
  ].join('\n\n');
}

function planSections({ order, aim, outOfScope, risks, budget }: PlanBody): string[] {
  const named = (title: string, text: string) => (text === '' ? '' : `## ${title}\n\n${text}`);
  const money = [budget.usd === undefined ? '' : `$${budget.usd}`, budget.tokens === undefined ? '' : `${budget.tokens} tokens`]
    .filter((text) => text !== '')
    .join(', ');
  return [named('Order', order), named('Aim', aim), named('Out of scope', outOfScope), named('Risks', risks), named('Budget', money)];
}
