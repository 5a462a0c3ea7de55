// What a round of chaos asks for: orders with tools, trees of sub-agents, sub-agents in the background, cron slots, orders that are stopped.

import type { ScenarioFile } from '../../src/adapters/models/simulator/scenario.ts';

const STREAM = { chunk: 8, delayMs: 3 };
/** A tool that must not be repeated. */
const EFFECT = (name: string) => [{ name: 'exec', input: { command: `echo ${name} >> effects; sleep 0.02` } }];
const DEPTHS = [3, 2, 1];

export const SCENARIO: ScenarioFile = {
  name: 'chaos',
  // A turn's text may begin with results of sub-agents; what is asked stands at its end.
  rules: [
    { when: { user: 'order (\\S+)(\nCurrent time.*)?$', step: 0 }, text: 'on it {{user.1}} ', tools: EFFECT('{{user.1}}'), stream: STREAM },
    { when: { user: 'order (\\S+)(\nCurrent time.*)?$' }, text: 'done {{user.1}}', stream: STREAM },
    { when: { user: '^leaf (\\S+)$', step: 0 }, tools: EFFECT('{{user.1}}') },
    { when: { user: '^leaf (\\S+)$' }, text: 'done leaf {{user.1}}' },
    ...DEPTHS.flatMap((depth) => {
      const user = `tree (\\S+) d${depth}$`;
      const task = depth === 1 ? 'leaf {{user.1}}' : `tree {{user.1}} d${depth - 1}`;
      return [
        { when: { user, step: 0 }, tools: [{ name: 'sessions_spawn', input: { task, label: `{{user.1}} d${depth - 1}` } }] },
        { when: { user, step: 1 }, tools: [{ name: 'sessions_await', input: {} }] },
        { when: { user }, text: `done {{user.1}} d${depth}`, stream: STREAM },
      ];
    }),
    { when: { user: 'background (\\S+)$', step: 0 }, tools: [{ name: 'sessions_spawn', input: { task: 'leaf {{user.1}}', label: '{{user.1}}' } }] },
    { when: { user: 'background (\\S+)$' }, text: 'done {{user.1}}', stream: STREAM },
    { when: { user: 'slow (\\S+)$' }, text: `slow {{user.1}} ${'words '.repeat(60)}`, stream: { chunk: 6, delayMs: 10 } },
    { when: { user: 'Its findings:' }, text: 'noted' },
    { text: 'nothing to do' },
  ],
};

/** The same model, whose streams break off, or stop in the middle. */
export function troubled(how: 'cut' | 'stall'): ScenarioFile {
  const stream = how === 'cut' ? { ...STREAM, cutAfter: 1 } : { ...STREAM, stallAfter: 1 };
  return { ...SCENARIO, rules: SCENARIO.rules.map((rule) => ({ ...rule, stream })) };
}

export const KINDS = ['order', 'tree', 'background', 'cron', 'stopped'] as const;
export type Kind = (typeof KINDS)[number];
const SHARES: Readonly<Record<Kind, number>> = { order: 0.5, tree: 0.15, background: 0.12, cron: 0.1, stopped: 0.13 };

export interface Unit {
  readonly kind: Kind;
  readonly id: string;
  readonly session: string;
}

export function unitAt(n: number, random: () => number, sessions: number): Unit {
  const drawn = random();
  const kind = KINDS.find((_, i) => drawn < KINDS.slice(0, i + 1).reduce((sum, earlier) => sum + SHARES[earlier], 0)) ?? 'order';
  return { kind, id: `${kind}-${n}`, session: `${kind === 'background' ? 'bg' : 's'}${Math.floor(random() * sessions)}` };
}

export const MESSAGE: Readonly<Record<Exclude<Kind, 'cron'>, (id: string) => string>> = {
  order: (id) => `order ${id}`,
  tree: (id) => `tree ${id} d3`,
  background: (id) => `background ${id}`,
  stopped: (id) => `slow ${id}`,
};
