// Messages as agents write them into files, with everything that goes wrong: made from a seed, each with a mark that says whether it is one of its kind.

import { join } from 'node:path';
import { drop } from './team.ts';

export interface Messy {
  /** Marks of messages that must come out exactly once, by box. */
  readonly marks: ReadonlyMap<string, ReadonlySet<string>>;
  /** Texts of files that nobody can read. */
  readonly broken: readonly string[];
  readonly files: number;
}

function randomOf(seed: number) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  const int = (below: number) => Math.floor(next() * below);
  const pick = <T>(list: readonly T[]): T => list[int(list.length)] as T; // never empty
  return { next, int, pick };
}

const BOXES = ['coordinator', 'validator', 'task-managers', 'person-manager', 'workers', 'story-architect'];
const FROM = ['Coordinator', 'validator', 'Task-Manager', 'Sophie (Main Session)', 'worker p1-2', 'PM', undefined, 'QA'];
const PRIORITIES = ['P0-CATASTROPHIC', 'URGENT', 'high', 'Medium', 'low', 3, undefined, 'P2', 'normal', ''];
const TIMES = ['2026-02-19T10:00:00Z', '$(date -Iseconds)', '2026-02-19 16:00 EST', 1_771_500_000, undefined, 'yesterday', '2031-01-01T00:00:00Z'];
const NAMES = ['$(date +%s)-msg', 'message', 'validation-result', 'ünïcode ✅', 'with space', '(setup)', '[id]', 'a'.repeat(150)];

/** Drops `count` files into the inboxes of a team. */
export function dropMessy(root: string, count: number, seed: number): Messy {
  const { next, int, pick } = randomOf(seed);
  const marks = new Map<string, Set<string>>(BOXES.map((box) => [box, new Set()]));
  const broken: string[] = [];
  const written: { box: string; text: string }[] = [];
  for (let n = 0; n < count; n++) {
    const box = pick(BOXES);
    const mark = `mark-${seed}-${n}-end`;
    const name = `${pick(NAMES)}-${n}`;
    const file = (extension: string) => join(root, 'inboxes', box, `${name}${extension}`);
    const kind = next();
    if (kind < 0.05 && written.length > 0) {
      const before = pick(written);
      drop(join(root, 'inboxes', before.box, `${name}.json`), before.text); // the same payload under another name
      continue;
    }
    if (kind < 0.08) {
      const text = `{"subject": "an unescaped "quote" ${mark}", "content": $(date)}`;
      broken.push(text);
      drop(file('.json'), text);
      continue;
    }
    marks.get(box)?.add(mark);
    if (kind < 0.14) {
      drop(file('.md'), `# A memo ${n}\n**From:** ${pick(FROM) ?? 'nobody'}\n\n${mark}`);
      continue;
    }
    const envelope = {
      ...(next() < 0.95 && { id: next() < 0.2 ? '$(date +%s)' : `msg-${n}` }),
      timestamp: pick(TIMES),
      from: pick(FROM),
      to: next() < 0.9 ? box : undefined,
      type: pick(['notification', 'request', 'response', 'escalation', 'status_update', undefined]),
      subject: next() < 0.97 ? `About ${n}` : undefined,
      priority: pick(PRIORITIES),
    };
    const content = [
      { content: { mark, list: [1, 2] } },
      { content: mark },
      { message: mark },
      { details: { deep: { mark } } },
      { required_actions: [mark], summary: 'x' },
    ][int(5)];
    const text = `${next() < 0.1 ? '\uFEFF' : ''}${JSON.stringify({ ...envelope, ...content }, null, int(3))}`;
    if (!/escalation/.test(text)) written.push({ box, text });
    drop(file(next() < 0.03 ? '.json.addition' : '.json'), text);
  }
  return { marks, broken, files: count };
}
