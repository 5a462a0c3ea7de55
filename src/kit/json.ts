// Looking into JSON of unknown shape.

export type Json = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is Json {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** The first of several fields that holds something, as text. */
export function textIn(json: Json, ...names: readonly string[]): string | null {
  for (const name of names) {
    const value = json[name];
    if (typeof value === 'string' && value.trim() !== '') return value.trim();
    if (typeof value === 'number') return String(value);
  }
  return null;
}

const DEEPEST = 100;

/** A file's JSON, whatever its editor put before it. @throws SyntaxError, or Error when it is nested so deep that it was made to do harm */
export function parseJson(text: string): unknown {
  const value: unknown = JSON.parse(text.replace(/^\uFEFF/, ''));
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEEPEST) throw new Error(`it is nested more than ${DEEPEST} levels deep`);
    level = level.flatMap((inner) => (inner !== null && typeof inner === 'object' ? Object.values(inner) : []));
  }
  return value;
}
