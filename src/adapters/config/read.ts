// Reads clawdbot.json: JSON5, $include, ${VAR}. Reading never changes anything.

import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import JSON5 from 'json5';
import { errorCode, messageOf } from '../../kit/fault.ts';

type Variables = Readonly<Record<string, string | undefined>>;

const MAX_INCLUDES = 10;
const MAX_BYTES = 4 * 1024 * 1024;
const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

/** The file's text, or undefined when there is no file. */
export function readText(path: string): string | undefined {
  try {
    const bytes = readFileSync(path);
    if (bytes.length > MAX_BYTES) throw new Error(`${path} is larger than ${MAX_BYTES} bytes`);
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * The value of a configuration text with includes merged in and variables filled.
 * With `drop`, a key whose variable is missing is left out instead.
 * @throws Error that names the file and what is wrong in it
 */
export function evaluateConfig(text: string, path: string, variables: Variables, missing: 'refuse' | 'drop' = 'refuse'): unknown {
  return fillVariables(include(parse(text, path), path, [path]), variables, missing);
}

function parse(text: string, path: string): unknown {
  try {
    return JSON5.parse(text);
  } catch (error) {
    throw new Error(`${path}: ${messageOf(error)}`);
  }
}

function include(value: unknown, path: string, chain: readonly string[]): unknown {
  if (Array.isArray(value)) return value.map((item) => include(item, path, chain));
  if (!isObject(value)) return value;
  const { $include: named, ...own } = value;
  const rest = Object.fromEntries(
    Object.entries(own)
      .filter(([key]) => !FORBIDDEN_KEYS.has(key))
      .map(([key, inner]) => [key, include(inner, path, chain)]),
  );
  if (named === undefined) return rest;
  const names = Array.isArray(named) ? named : [named];
  let merged: unknown = {};
  for (const name of names) {
    if (typeof name !== 'string') throw new Error(`${path}: $include takes a file name or a list of file names`);
    const file = resolve(dirname(path), name);
    if (chain.includes(file)) throw new Error(`${path}: $include goes round in a circle: ${[...chain, file].join(' -> ')}`);
    if (chain.length > MAX_INCLUDES) throw new Error(`${path}: $include is nested more than ${MAX_INCLUDES} deep`);
    const text = readText(file);
    if (text === undefined) throw new Error(`${path}: the included file ${file} does not exist`);
    merged = merge(merged, include(parse(text, file), file, [...chain, file]));
  }
  return merge(merged, rest);
}

function merge(under: unknown, over: unknown): unknown {
  if (!isObject(under) || !isObject(over)) return over;
  const merged: Record<string, unknown> = { ...under };
  for (const [key, value] of Object.entries(over)) merged[key] = key in merged ? merge(merged[key], value) : value;
  return merged;
}

/** `${NAME}` becomes the variable's value, `$${NAME}` stays `${NAME}`. The file's own `env` section comes second. */
function fillVariables(value: unknown, variables: Variables, missing: 'refuse' | 'drop'): unknown {
  const env = isObject(value) && isObject(value['env']) ? value['env'] : {};
  const own = { ...env, ...(isObject(env['vars']) ? env['vars'] : {}) };
  const lookUp = (name: string): string => {
    const found = variables[name] ?? own[name];
    if (typeof found !== 'string') throw new MissingVariable(`the configuration uses \${${name}}, and no such environment variable is set`);
    return found;
  };
  const walk = (inner: unknown): unknown => {
    if (typeof inner === 'string')
      return inner.replace(/\$(\$?)\{([A-Z_][A-Z0-9_]*)\}/g, (_whole, escaped: string, name: string) => (escaped ? `\${${name}}` : lookUp(name)));
    if (Array.isArray(inner)) return inner.map(walk);
    if (isObject(inner)) return Object.fromEntries(Object.entries(inner).flatMap(([key, item]) => entryOf(key, item)));
    return inner;
  };
  const entryOf = (key: string, item: unknown): [string, unknown][] => {
    try {
      return [[key, walk(item)]];
    } catch (error) {
      if (error instanceof MissingVariable && missing === 'drop') return [];
      throw error;
    }
  };
  return walk(value);
}

class MissingVariable extends Error {}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
