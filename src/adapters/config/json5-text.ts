// Where things stand in a JSON5 text, and the splices that change one of them. The text must be valid: JSON5.parse has read it.

interface Span {
  readonly start: number;
  readonly end: number;
}

interface Member {
  readonly key: string;
  readonly start: number;
  readonly value: Node;
  /** Where its comma stands, if it has one. */
  comma: number | undefined;
}

type Node = Span & ({ readonly kind: 'object' | 'array'; readonly members: readonly Member[] } | { readonly kind: 'leaf' });

/** A piece of the text to replace. */
interface Splice extends Span {
  readonly text: string;
}

const SKIPPED = /(?:[\s\ufeff]|\/\/[^\n\r\u2028\u2029]*|\/\*[\s\S]*?\*\/)*/y;
const STRING = /"(?:[^"\\]|\\[\s\S])*"|'(?:[^'\\]|\\[\s\S])*'/y;
const BARE = /[^\s,:[\]{}"'/]+/y;

/** Reads the text once and answers its root. */
export function readTree(text: string, parseKey: (written: string) => string): Node {
  let at = 0;
  const take = (pattern: RegExp): string => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0] ?? '';
    at += found.length;
    return found;
  };
  const token = () => take(text[at] === '"' || text[at] === "'" ? STRING : BARE);
  const value = (): Node => {
    const start = at;
    if (text[at] !== '{' && text[at] !== '[') {
      token();
      return { kind: 'leaf', start, end: at };
    }
    const kind = text[at] === '{' ? 'object' : 'array';
    const close = kind === 'object' ? '}' : ']';
    const members: Member[] = [];
    at += 1;
    for (take(SKIPPED); text[at] !== close && at < text.length; take(SKIPPED)) {
      const begins = at;
      let key = String(members.length);
      if (kind === 'object') {
        key = parseKey(token());
        take(SKIPPED);
        at += 1; // the colon
        take(SKIPPED);
      }
      const member: Member = { key, start: begins, value: value(), comma: undefined };
      members.push(member);
      take(SKIPPED);
      if (text[at] === ',') {
        member.comma = at;
        at += 1;
      }
    }
    at += 1;
    return { kind, members, start, end: at };
  };
  take(SKIPPED);
  return value();
}

/** The member a path leads to, and the nearest section there is on the way. A key written twice is the later one, as in JSON5. */
export function find(root: Node, path: readonly string[]): { readonly section: Node; readonly member: Member | undefined; readonly rest: readonly string[] } {
  let section = root;
  for (const [i, key] of path.entries()) {
    const member = section.kind === 'leaf' ? undefined : section.members.findLast((candidate) => candidate.key === key);
    if (!member || i === path.length - 1) return { section, member, rest: path.slice(i) };
    section = member.value;
  }
  return { section, member: undefined, rest: [] };
}

/** Later places first; of two at one place the first in the list ends up behind. */
export function applySplices(text: string, splices: readonly Splice[]): string {
  return splices
    .toSorted((a, b) => b.start - a.start || b.end - a.end)
    .reduce((changed, { start, end, text: fresh }) => changed.slice(0, start) + fresh + changed.slice(end), text);
}

const lineStart = (text: string, at: number) => text.lastIndexOf('\n', at - 1) + 1;
const indentOf = (text: string, at: number) => /^[ \t]*/.exec(text.slice(lineStart(text, at), at))?.[0] ?? '';
const lineEndOf = (text: string) => (text.includes('\r\n') ? '\r\n' : '\n');

function written(value: unknown, indent: string, newline: string): string {
  return JSON.stringify(value, null, 2).replaceAll('\n', newline + indent);
}

export function replaceValue(text: string, { value: { start, end } }: Member, value: unknown): readonly Splice[] {
  return [{ start, end, text: written(value, indentOf(text, start), lineEndOf(text)) }];
}

/** Adds a member as the last one, after whatever comments stand at the end. */
export function addMember(text: string, section: Node, key: string, value: unknown): readonly Splice[] {
  if (section.kind === 'leaf') return [];
  const { members, start, end } = section;
  const last = members.at(-1);
  const newline = lineEndOf(text);
  const spread = text.slice(start, end).includes('\n');
  const ownLine = last && text.slice(lineStart(text, last.start), last.start).trim() === '';
  const indent = ownLine ? indentOf(text, last.start) : `${indentOf(text, start)}  `;
  const quoted = last ? text[last.start] === '"' : false;
  const name = !quoted && /^[A-Za-z_$][\w$]*$/.test(key) ? key : JSON.stringify(key);
  const before = text.slice(0, end - 1);
  const at = before.trimEnd().length;
  const comma: Splice[] = last && last.comma === undefined ? [{ start: last.value.end, end: last.value.end, text: ',' }] : [];
  const trailing = last?.comma !== undefined || (!last && spread) ? ',' : '';
  const entry = `${name}: ${written(value, spread ? indent : '', newline)}${trailing}`;
  const tail = before.slice(at).includes('\n') ? '' : spread ? newline + indentOf(text, start) : last || before.slice(at) !== '' ? '' : ' ';
  return [{ start: at, end: at, text: `${spread ? newline + indent : ' '}${entry}${tail}` }, ...comma];
}

/** Takes a member out with its comma; its line goes too when nothing else stands on it. Comments stay. */
export function removeMember(text: string, section: Node, member: Member): readonly Splice[] {
  if (section.kind === 'leaf') return [];
  const { comma, start } = member;
  let end = member.value.end;
  const splices: Splice[] = [];
  if (comma !== undefined && text.slice(end, comma).trim() === '') end = comma + 1;
  else if (comma !== undefined) splices.push({ start: comma, end: comma + 1, text: '' });
  else {
    const previous = section.members[section.members.indexOf(member) - 1];
    if (previous?.comma !== undefined) splices.push({ start: previous.comma, end: previous.comma + 1, text: '' });
  }
  const from = lineStart(text, start);
  const lineBreak = /^[ \t]*(\r?\n)/.exec(text.slice(end))?.[0];
  if (text.slice(from, start).trim() === '' && from > 0 && lineBreak !== undefined) splices.push({ start: from, end: end + lineBreak.length, text: '' });
  else splices.push({ start, end: end + (/^[ \t]*/.exec(text.slice(end))?.[0].length ?? 0), text: '' });
  return splices;
}
