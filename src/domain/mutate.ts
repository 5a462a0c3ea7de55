// Mutants of TypeScript and JavaScript: small wrongs on changed lines, which good tests notice.

export interface Mutant {
  /** Line, from 1. */
  readonly line: number;
  readonly before: string;
  readonly after: string;
}

const OPERATORS: readonly (readonly [RegExp, string])[] = [
  [/(?<![=!<>])===(?!=)/, '!=='],
  [/!==/, '==='],
  [/(?<![=!<>])==(?!=)/, '!='],
  [/!=(?!=)/, '=='],
  [/<=/, '>'],
  [/>=/, '<'],
  [/(?<=[\w)\]] )<(?= [\w(])/, '>='],
  [/(?<=[\w)\]] )>(?= [\w(])/, '<='],
  [/&&/, '||'],
  [/\|\|/, '&&'],
  [/\?\?/, '&&'],
  [/(?<=[\w)\]] )\+(?= [\w(])/, '-'],
  [/(?<=[\w)\]] )-(?= [\w(])/, '+'],
  [/(?<=[\w)\]] )\*(?= [\w(])/, '/'],
  [/(?<=[\w)\]] )\/(?= [\w(])/, '*'],
  [/\+=/, '-='],
  [/-=/, '+='],
  [/\btrue\b/, 'false'],
  [/\bfalse\b/, 'true'],
  [/\bMath\.max\b/, 'Math.min'],
  [/\bMath\.min\b/, 'Math.max'],
  [/\bif \((?!!)/, 'if (!'],
  [/\breturn (?!undefined|;)[^;]+;/, 'return undefined;'],
];

const NUMBER = /(?<![\w.'"`])\d+(?![\w.'"`])/;
const DECIMAL = /(?<![\w.])\d+\.\d+(?![\w.])/g;
/** What a condition chooses: tests that only say what is not are found out by another choice. */
const CHOSEN = /(?<=[\w)\]] \? )[^?:]+(?= : )/;
const NO_CODE = /^\s*(\/\/|\*|\/\*|import\b|export (type|interface)\b|type\b|interface\b|[{}()[\];,]*\s*$)/;

export function canMutate(path: string): boolean {
  return /\.(c|m)?[jt]sx?$/.test(path) && !/\.d\.ts$/.test(path);
}

/** Wrongs for these lines of a file, at most `most`, spread over the lines. */
export function mutantsOf(text: string, lines: readonly number[], most: number): readonly Mutant[] {
  const all = text.split('\n');
  const perLine = lines.map((line) => {
    const before = all[line - 1] ?? '';
    if (NO_CODE.test(before)) return [];
    const code = before.replace(
      /(['"`])(?:\\.|(?!\1).)*\1/g,
      (quoted) => quoted.charAt(0) + '\u0001'.repeat(Math.max(0, quoted.length - 2)) + quoted.charAt(0),
    );
    const found: Mutant[] = [];
    for (const [wanted, instead] of OPERATORS) {
      const match = wanted.exec(code);
      if (match) found.push({ line, before, after: before.slice(0, match.index) + instead + before.slice(match.index + match[0].length) });
    }
    const put = (at: number, length: number, text: string) => found.push({ line, before, after: before.slice(0, at) + text + before.slice(at + length) });
    const number = NUMBER.exec(code);
    if (number) put(number.index, number[0].length, String(Number(number[0]) + 1));
    for (const decimal of code.matchAll(DECIMAL)) for (const text of [String(Number(decimal[0]) + 1), '0']) put(decimal.index, decimal[0].length, text);
    const chosen = CHOSEN.exec(code);
    if (chosen) for (const text of ['0', '1', '-1']) put(chosen.index, chosen[0].length, text);
    return found.filter(({ after }) => after !== before);
  });
  const spread: Mutant[] = [];
  for (let round = 0; spread.length < most && perLine.some((own) => own.length > round); round++)
    for (const own of perLine) {
      const mutant = own[round];
      if (mutant && spread.length < most) spread.push(mutant);
    }
  return spread;
}

/** The text with one line made wrong. */
export function applyMutant(text: string, { line, after }: Mutant): string {
  const lines = text.split('\n');
  lines[line - 1] = after;
  return lines.join('\n');
}
