// Plans as folders of Markdown: MASTER-PLAN.md, a file for each phase, a file for each story. Written exactly, read in the shapes that people and agents use.

import type { z } from 'zod';
import type { EpicBody, ItemKind, ItemState, PlanBody } from './plan.ts';
import { RISKS, type Risk } from './proof.ts';
import { asEars, asGherkin, CheckInput, CommandInput, type Criterion, type Story } from './story.ts';

export interface PlanFile {
  /** From the folder of the plan, with `/`. */
  readonly path: string;
  readonly text: string;
}

export interface FiledItem {
  readonly kind: ItemKind;
  readonly name: string;
  readonly title: string;
  readonly state: ItemState;
  /** By name; null for a plan. */
  readonly parent: string | null;
  readonly body: PlanBody | EpicBody | Story;
}

const section = (title: string, text: string) => (text === '' ? [] : ['', `## ${title}`, '', text]);
const bullets = (pairs: readonly (readonly [string, string | undefined])[]) =>
  pairs.flatMap(([name, value]) => (value === undefined || value === '' ? [] : [`- ${name}: ${value}`]));

/** The folder of a plan. */
export function writePlanFiles(items: readonly FiledItem[]): PlanFile[] {
  const plan = items.find(({ kind }) => kind === 'plan');
  if (!plan) return [];
  const below = (name: string) => items.filter(({ parent }) => parent === name);
  const list = (name: string, folder: string) => below(name).map((one) => `- [${one.name}](${folder}/${one.name}.md): ${one.title} (${one.state})`);
  const { order, aim, outOfScope, risks, budget } = plan.body as PlanBody; // the body of a plan
  const master = [
    `# ${plan.name}: ${plan.title}`,
    '',
    ...bullets([
      ['Status', plan.state],
      ['Budget', budgetText(budget)],
    ]),
    ...section('Order', order),
    ...section('Aim', aim),
    ...section('Out of scope', outOfScope),
    ...section('Risks', risks),
    ...section('Phases', list(plan.name, 'phases').join('\n')),
  ];
  const epics = below(plan.name).map((epic) => ({
    path: `phases/${epic.name}.md`,
    text: `${[
      `# ${epic.name}: ${epic.title}`,
      '',
      `- Status: ${epic.state}`,
      ...section('Aim', (epic.body as EpicBody).aim), // the body of an epic
      ...section('Stories', list(epic.name, '../stories').join('\n')),
    ].join('\n')}\n`,
  }));
  const stories = items.filter(({ kind }) => kind === 'story').map((story) => ({ path: `stories/${story.name}.md`, text: storyText(story) }));
  return [{ path: 'MASTER-PLAN.md', text: `${master.join('\n')}\n` }, ...epics, ...stories];
}

function budgetText({ usd, tokens }: PlanBody['budget']): string {
  return [...(usd === undefined ? [] : [`$${usd}`]), ...(tokens === undefined ? [] : [`${tokens} tokens`])].join(', ');
}

/** One story as a file. */
export function storyText({ name, title, state, parent, body }: Omit<FiledItem, 'kind'>): string {
  const { value, repo, target, command, paths, criteria, contingencies, dependencies } = body as Story; // the body of a story
  const head = bullets([
    ['Epic', parent ?? undefined],
    ['Status', state],
    ['Repository', repo],
    ['Branch', target],
    ['Tests', command && JSON.stringify(command)],
    ['Paths', paths.join(', ')],
  ]);
  const lines = [
    `# ${name}: ${title}`,
    '',
    ...head,
    ...section('Value', value),
    ...section('Acceptance criteria', criteria.map(criterionLines).join('\n\n')),
    ...section('Contingencies', contingencies.map((one) => `- If ${one.if}: ${one.then}`).join('\n')),
    ...section('Dependencies', dependencies.map((one) => `- ${one}`).join('\n')),
  ];
  return `${lines.join('\n')}\n`;
}

function criterionLines(criterion: Criterion): string {
  const { id, given, while: during, when, where, if: unwanted, then, observable, limit, checks, risk } = criterion;
  return [
    `### ${id}`,
    '',
    '```gherkin',
    asGherkin(criterion),
    '```',
    '',
    asEars(criterion),
    '',
    ...bullets([
      ['Given', given],
      ['While', during],
      ['Where', where],
      ['When', when],
      ['If', unwanted],
      ['Then', then],
      ['Seen in', observable],
      ['Limit', limit && `${limit.op} ${limit.value} ${limit.unit}`],
      ['Risk', risk],
    ]),
    ...checks.map((check) => `- Check: ${JSON.stringify(check)}`),
  ].join('\n');
}

export interface ReadPlan {
  readonly plan: { readonly name: string | null; readonly title: string; readonly body: Partial<PlanBody> };
  readonly epics: readonly { readonly name: string | null; readonly title: string; readonly aim: string }[];
  /** `epic` is the position of its epic, 0 when nobody says. */
  readonly stories: readonly { readonly name: string | null; readonly title: string; readonly epic: number; readonly body: Partial<Story> }[];
}

interface Section {
  readonly level: number;
  readonly title: string;
  readonly lines: readonly string[];
}

function sectionsOf(text: string): Section[] {
  const sections: { level: number; title: string; lines: string[] }[] = [{ level: 0, title: '', lines: [] }];
  let isCode = false;
  for (const line of text.replace(/\r\n/g, '\n').split('\n')) {
    if (/^\s*```/.test(line)) isCode = !isCode;
    const heading = isCode ? null : /^(#{1,6})\s+(.*?)\s*#*$/.exec(line);
    if (heading) sections.push({ level: (heading[1] ?? '').length, title: (heading[2] ?? '').replace(/[*`]/g, ''), lines: [] });
    else sections.at(-1)?.lines.push(line);
  }
  return sections;
}

const ITEM_NAME = /^(?:(?:user )?(?:story|epic|plan|phase)\s*[:\s]\s*)?([A-Z][A-Z0-9]*-[\w.-]*\d[\w.-]*)\s*(?:[:–—-]\s*)?(.*)$/i;

function titled(heading: string): { name: string | null; title: string } {
  const plain = heading.replace(/^[^\p{L}\p{N}]+/u, '').trim();
  const match = ITEM_NAME.exec(plain);
  return match?.[1] === undefined ? { name: null, title: plain } : { name: match[1], title: match[2] || plain };
}

const bodyText = (lines: readonly string[]) => lines.join('\n').trim();

function fieldIn(lines: readonly string[], ...names: readonly string[]): string | undefined {
  for (const line of lines) {
    const match = /^[\s>]*[-*+]?\s*\**([\p{L} ]+?)\**\s*:\s*(?:\*\*\s+)?(.+?)\s*$/u.exec(line);
    if (match && names.includes((match[1] ?? '').trim().toLowerCase())) {
      const isBoldToTheEnd = /^[\s>]*[-*+]?\s*\*\*[^*]*:\s*[^*\s]/.test(line);
      return isBoldToTheEnd ? (match[2] ?? '').replace(/\*+$/, '').trim() : match[2];
    }
  }
  return undefined;
}

/** A section with those under it, as text. */
function whole(sections: readonly Section[], names: RegExp): string {
  const at = sections.findIndex(({ title, level }) => level > 0 && names.test(title));
  const first = sections[at];
  if (!first) return '';
  const end = sections.findIndex(({ level }, i) => i > at && level <= first.level);
  return sections
    .slice(at, end < 0 ? undefined : end)
    .map(({ level, title, lines }, i) => (i === 0 ? bodyText(lines) : `${'#'.repeat(level)} ${title}\n\n${bodyText(lines)}`))
    .join('\n\n')
    .trim();
}

/** A folder of a plan, whoever wrote it. What nobody can place stays as text of what it stands in. */
export function readPlanFiles(files: readonly PlanFile[]): ReadPlan | null {
  const byName = (pattern: RegExp) => files.filter(({ path }) => pattern.test(path)).sort((a, b) => a.path.localeCompare(b.path, 'en', { numeric: true }));
  const [master] = byName(/(^|\/)MASTER-PLAN[^/]*\.md$/i);
  if (!master) return null;
  const sections = sectionsOf(master.text);
  const top = sections.find(({ level }) => level === 1);
  const usd = /\$\s*([\d.]+)/.exec(fieldIn(top?.lines ?? [], 'budget') ?? '')?.[1];
  const tokens = /(\d+)\s*tokens/.exec(fieldIn(top?.lines ?? [], 'budget') ?? '')?.[1];
  const known = { order: whole(sections, /^order\b/i), aim: whole(sections, /^(aim|goals?|objectives?|vision|overview|purpose)\b/i).slice(0, 4000) };
  const plan = {
    ...titled(top?.title ?? 'Plan'),
    body: {
      order: (known.order || (known.aim === '' ? master.text.trim() : '')).slice(0, 20_000),
      aim: known.aim,
      outOfScope: whole(sections, /^(out of scope|non-?goals?)\b/i).slice(0, 4000),
      risks: whole(sections, /^risks?\b/i).slice(0, 4000),
      budget: { ...(usd !== undefined && { usd: Number(usd) }), ...(tokens !== undefined && { tokens: Number(tokens) }) },
    },
  };
  const phaseFiles = byName(/(^|\/)(phases?|epics?)\/[^/]+\.md$/i);
  const inMaster = sections.filter(({ title, level }) => level >= 2 && /^(phase|epic)\b[\s:#-]*\S/i.test(title.replace(/^[^\p{L}\p{N}]+/u, '')));
  const epics =
    phaseFiles.length > 0
      ? phaseFiles.map(({ text }) => {
          const own = sectionsOf(text);
          const head = own.find(({ level }) => level === 1);
          return { ...titled(head?.title ?? 'Phase'), aim: (whole(own, /^(aim|goals?|objectives?)\b/i) || text.trim()).slice(0, 4000) };
        })
      : inMaster.map(({ title, lines }) => ({ ...titled(title), aim: bodyText(lines).slice(0, 4000) }));
  const stories = byName(/(^|\/)stories\/[^/]+\.md$/i).map(({ text }) => readStory(text, epics));
  return { plan, epics, stories };
}

function readStory(text: string, epics: ReadPlan['epics']): ReadPlan['stories'][number] {
  const sections = sectionsOf(text);
  const head = sections.find(({ level }) => level === 1) ?? sections[0];
  const lines = sections.slice(0, 3).flatMap((one) => one.lines);
  const epic = fieldIn(lines, 'epic', 'phase');
  const command = jsonOf(fieldIn(lines, 'tests', 'command'), CommandInput);
  const paths = fieldIn(lines, 'paths');
  const said = /^\s*\**as an?\b.*$/im.exec(text)?.[0];
  const value = whole(sections, /^(value|user story|story|description|summary)\b/i) || (said ?? '').replace(/\*/g, '').trim();
  return {
    ...titled(head?.title ?? 'Story'),
    epic: Math.max(
      0,
      epics.findIndex(({ name, title }) => epic !== undefined && (epic === name || epic.startsWith(`${name} `) || epic === title)),
    ),
    body: {
      value: value.slice(0, 4000),
      repo: fieldIn(lines, 'repository', 'repo') ?? '',
      target: fieldIn(lines, 'branch', 'target') ?? 'main',
      ...(command && { command }),
      ...(paths !== undefined && { paths: paths.split(/\s*,\s*/) }),
      criteria: readCriteria(sections),
      contingencies: listIn(whole(sections, /^(contingenc|risks?|failure)/i)).map(contingencyOf),
      dependencies: listIn(whole(sections, /^(dependenc|depends)/i)).map((line) => /^([A-Z][A-Z0-9]*-\d[\w.-]*)/.exec(line)?.[1] ?? line.slice(0, 200)),
    },
  };
}

const listIn = (text: string) => text.split('\n').flatMap((line) => /^\s*(?:[-*+]|\d+\.)\s+(?:\[.\]\s+)?(.+?)\s*$/.exec(line)?.[1]?.replace(/[*`]/g, '') ?? []);

function contingencyOf(line: string): { if: string; then: string } {
  const match = /^(?:if\s+)?(.+?)\s*(?::|→|->|, then)\s+(.+)$/i.exec(line);
  return { if: (match?.[1] ?? line).slice(0, 1000), then: (match?.[2] ?? line).slice(0, 1000) };
}

function jsonOf<T>(text: string | undefined, schema: z.ZodType<T>): T | undefined {
  try {
    return text === undefined ? undefined : schema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

const STEP = /^\s*(?:[-*+]\s+)?\**\s*(given|while|where|when|if|then|and|seen in|observable|limit|risk|check)\b\**\s*:?\s*\**\s*(.+?)\s*$/i;

/** Criteria as headings with steps under them, or as lines of a list. */
function readCriteria(sections: readonly Section[]): Criterion[] {
  const at = sections.findIndex(({ title }) => /accept|criteri/i.test(title));
  const first = sections[at];
  if (!first) return [];
  const end = sections.findIndex(({ level }, i) => i > at && level <= first.level);
  const under = sections.slice(at + 1, end < 0 ? undefined : end);
  if (under.length > 0) return under.map(({ title, lines }, i) => criterionOf(idIn(title, i), lines, title));
  return listIn(bodyText(first.lines)).map((line, i) => {
    const plain = line.replace(/^[A-Z]{1,4}-?\d+\s*[:.)-]?\s*/, '');
    const parts = plain.split(/[,;.]?\s+(?=\b(?:given|while|where|when|if|then)\b)/i);
    return criterionOf(idIn(line, i), parts, plain);
  });
}

const idIn = (text: string, i: number) => /\b(AC[\s-]?\d+(?:\.\d+)?)\b/i.exec(text)?.[1]?.toUpperCase().replace(/\s/, '-') ?? `AC-${i + 1}`;

function criterionOf(id: string, lines: readonly string[], title: string): Criterion {
  const found: Record<string, string> = {};
  const checks: Criterion['checks'] = [];
  const hasSteps = lines.some((line) => /^\s*[-*+]\s+then\s*:/i.test(line));
  let isCode = false;
  for (const raw of lines) {
    if (/^\s*```/.test(raw)) isCode = !isCode;
    const [, word = '', rest = ''] = STEP.exec(raw.replace(/^[A-Z]{1,4}-?\d+\s*[:.)-]\s*/, '')) ?? [];
    const key = word.toLowerCase();
    if (key === '' || (isCode && hasSteps)) continue;
    if (key === 'check') {
      const check = jsonOf(rest, CheckInput);
      if (check) checks.push(check);
    } else if (key !== 'and') found[key] = rest;
  }
  const limit = /^(<=|>=|<|>|=)\s*([\d.]+)\s*(\S.*)$/.exec(found['limit'] ?? '');
  const part = (name: 'given' | 'while' | 'when' | 'where' | 'if') => (found[name] === undefined ? {} : { [name]: found[name].slice(0, 1000) });
  return {
    id,
    ...part('given'),
    ...part('while'),
    ...part('when'),
    ...part('where'),
    ...part('if'),
    then: (found['then'] ?? (bodyText(lines) || title)).slice(0, 1000),
    observable: (found['seen in'] ?? found['observable'] ?? '').slice(0, 500),
    ...(limit && { limit: { op: limit[1] as '<', value: Number(limit[2]), unit: limit[3] ?? '' } }), // one of the five
    checks,
    risk: RISKS.find((risk): risk is Risk => risk === found['risk']?.toLowerCase()) ?? 'low',
  };
}
