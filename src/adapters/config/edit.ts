// Changes single keys in the text of a JSON5 file: comments, order, spelling and everything else stay as they are.

import JSON5 from 'json5';
import { isCredentialKey, MASKED, redactConfig } from '../../domain/config.ts';
import { fault } from '../../domain/fault-codes.ts';
import { messageOf } from '../../kit/fault.ts';
import { canonicalJson } from '../../kit/lines.ts';
import { addMember, applySplices, find, readTree, removeMember, replaceValue } from './json5-text.ts';

export interface Edit {
  readonly path: readonly string[];
  /** Undefined removes the key. */
  readonly value: unknown;
}

const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype']);
const EMPTY = '{\n}\n';

type Plain = Record<string, unknown>;

function isPlain(value: unknown): value is Plain {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** The file's own value: no includes, no variables. @throws Fault `config.not_editable` */
export function parseText(text: string): Plain {
  let value: unknown;
  try {
    value = JSON5.parse(text.trim() === '' ? EMPTY : text);
  } catch (error) {
    throw fault('config.not_editable', { reason: messageOf(error) });
  }
  if (!isPlain(value)) throw fault('config.not_editable', { reason: 'it does not hold an object' });
  return value;
}

/**
 * The text with the edits made, one after the other. What comes out is read again and compared with what was meant.
 * @throws Fault `config.not_editable` when the file is not JSON5 or a path leads through something that is no section
 */
export function editText(text: string, edits: readonly Edit[]): string {
  const expected = edits.reduce((value, edit) => applyTo(value, edit.path, edit.value), parseText(text));
  const edited = edits.reduce(editOnce, text.trim() === '' ? EMPTY : text);
  if (canonicalJson(parseText(edited)) !== canonicalJson(expected))
    throw fault('config.not_editable', { reason: 'an edit in place did not give the value that was meant' });
  return edited;
}

function editOnce(text: string, { path, value }: Edit): string {
  const root = readTree(text, keyOf);
  const { section, member, rest } = find(root, path);
  if (value === undefined) return member && rest.length === 1 ? applySplices(text, removeMember(text, section, member)) : text;
  if (member && rest.length === 1) return applySplices(text, replaceValue(text, member, value));
  const [key = '', ...inner] = rest;
  return applySplices(text, addMember(text, section, key, nest(inner, value)));
}

function keyOf(written: string): string {
  return /^["']/.test(written) ? String(JSON5.parse(written)) : (Object.keys(JSON5.parse(`{${written}:0}`))[0] ?? written);
}

function applyTo(value: unknown, path: readonly string[], leaf: unknown): Plain {
  const [key, ...rest] = path;
  if (key === undefined || FORBIDDEN.has(key)) throw fault('config.not_editable', { reason: `"${key ?? ''}" is no key` });
  if (Array.isArray(value)) {
    const copy = [...value];
    copy[indexIn(copy, key)] = rest.length === 0 ? leaf : applyTo(copy[indexIn(copy, key)], rest, leaf);
    return copy as unknown as Plain; // a list on the way to a leaf
  }
  if (value !== undefined && !isPlain(value)) throw fault('config.not_editable', { reason: `${path.join('.')} leads through a value that is no section` });
  const own = value ?? {};
  if (rest.length === 0) {
    const { [key]: _old, ...others } = own;
    return leaf === undefined ? others : { ...own, [key]: leaf };
  }
  if (leaf === undefined && own[key] === undefined) return own;
  return { ...own, [key]: applyTo(own[key], rest, leaf) };
}

function indexIn(list: readonly unknown[], key: string): number {
  const index = Number(key);
  if (!Number.isInteger(index) || index < 0 || index >= list.length) throw fault('config.not_editable', { reason: `the list has no item ${key}` });
  return index;
}

function nest(path: readonly string[], value: unknown): unknown {
  return path.reduceRight((inner, key) => ({ [key]: inner }), value);
}

/** The edits of a JSON merge patch on the file's own value. */
export function editsOfPatch(current: unknown, patch: Readonly<Plain>, path: readonly string[] = []): readonly Edit[] {
  return Object.entries(patch).flatMap(([key, value]): readonly Edit[] => {
    const at = [...path, key];
    const now = isPlain(current) && Object.hasOwn(current, key) ? current[key] : undefined;
    if (value === null) return now === undefined ? [] : [{ path: at, value: undefined }];
    if (isPlain(value) && isPlain(now)) return editsOfPatch(now, value, at);
    return [{ path: at, value: isPlain(value) ? withoutNulls(value) : value }];
  });
}

function withoutNulls(value: Plain): Plain {
  const entries = Object.entries(value).flatMap(([key, inner]) => (inner === null ? [] : [[key, isPlain(inner) ? withoutNulls(inner) : inner] as const]));
  return Object.fromEntries(entries);
}

/** The text with every credential that is written out masked; references to variables stay. */
export function maskText(text: string): string {
  const value = parseText(text);
  return editText(
    text,
    differences(value, redactConfig(value)).map((path) => ({ path, value: MASKED })),
  );
}

/** The text with masks put back to what stood there before. @throws Fault `config.invalid` for a mask without a past */
export function unmaskText(text: string, before: string | undefined): string {
  const past = before === undefined ? {} : parseText(before);
  const edits = masksIn(parseText(text)).map((path): Edit => {
    const value = path.reduce<unknown>((inner, key) => (inner as Plain | undefined)?.[key], past);
    if (typeof value !== 'string')
      throw fault('config.invalid', { reason: `${path.join('.')} holds a mask, and no earlier value is known: write the credential itself` });
    return { path, value };
  });
  return edits.length === 0 ? text : editText(text, edits);
}

function masksIn(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (value === MASKED && isCredentialKey(path.findLast((key) => !/^\d+$/.test(key)) ?? '')) return [path];
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, inner]) => masksIn(inner, [...path, key]));
}

/** Paths of the leaves that differ between two values of one shape. */
function differences(left: unknown, right: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (left === null || typeof left !== 'object') return left === right ? [] : [path];
  return Object.entries(left).flatMap(([key, inner]) => differences(inner, (right as Plain)[key], [...path, key])); // one shape by construction
}
