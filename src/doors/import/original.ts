// The original's state folder, read and never changed: what it holds in terms that the gateway takes, and what cannot be read of it.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import JSON5 from 'json5';
import { agentIdOf, canonicalSessionKey } from '../../domain/session.ts';
import { type EntryBody, NO_USAGE, type ToolCall } from '../../domain/transcript.ts';
import type { ImportedSession } from '../../features/sessions/import.ts';
import { errorCode, messageOf } from '../../kit/fault.ts';
import { isObject, type Json } from '../../kit/json.ts';

const text = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);
const number = (value: unknown): number => (typeof value === 'number' && Number.isFinite(value) ? value : 0);

export interface Problem {
  readonly path: string;
  readonly problem: string;
}

export interface Original {
  readonly config: Json | undefined;
  readonly jobs: readonly Json[];
  readonly devices: readonly {
    readonly deviceId: string;
    readonly publicKey: string;
    readonly role: string;
    readonly scopes: readonly string[];
    readonly about: Json;
  }[];
  /** Files that are copied where ours has none: from the state folder. */
  readonly files: readonly string[];
  readonly sessions: () => Generator<ImportedSession>;
  readonly sessionCount: number;
  /** What was mended on the way, and what stays behind. */
  readonly repaired: readonly Problem[];
  readonly unreadable: readonly Problem[];
}

export function readOriginal(stateDir: string): Original {
  const repaired: Problem[] = [];
  const unreadable: Problem[] = [];
  const parse = (path: string, read: (text: string) => unknown = JSON.parse): unknown => {
    let raw: string;
    try {
      raw = readFileSync(join(stateDir, path), 'utf8');
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') unreadable.push({ path, problem: messageOf(error) });
      return undefined;
    }
    try {
      return read(raw.replace(/^\uFEFF/, ''));
    } catch (error) {
      unreadable.push({ path, problem: messageOf(error) });
      return undefined;
    }
  };

  const config = parse('clawdbot.json', (raw) => JSON5.parse(raw));
  const cron = parse('cron/jobs.json');
  const listed = isObject(cron) && Array.isArray(cron['jobs']) ? cron['jobs'] : [];
  const jobs = listed.filter(isObject);
  if (listed.length > jobs.length) unreadable.push({ path: 'cron/jobs.json', problem: `${listed.length - jobs.length} entries are no jobs` });
  const paired = parse('devices/paired.json');
  const devices = Object.values(isObject(paired) ? paired : {}).flatMap((device) => {
    if (!isObject(device)) return [];
    const { deviceId, publicKey, role, scopes, tokens: _secret, ...about } = device;
    if (typeof deviceId !== 'string' || typeof publicKey !== 'string') return [];
    return [
      { deviceId, publicKey, role: text(role) ?? 'operator', scopes: Array.isArray(scopes) ? scopes.filter((scope) => typeof scope === 'string') : [], about },
    ];
  });
  const agents = names(join(stateDir, 'agents'));
  const files = [...agents.map((agent) => `agents/${agent}/agent/auth-profiles.json`), 'exec-approvals.json'].filter((path) => exists(join(stateDir, path)));

  const entries = agents.flatMap((agent) => {
    const path = `agents/${agent}/sessions/sessions.json`;
    const store = parse(path);
    return Object.entries(isObject(store) ? store : {}).flatMap(([key, entry]) => {
      const id = isObject(entry) ? text(entry['sessionId']) : null;
      return isObject(entry) && id !== null && /^[\w.-]{1,128}$/.test(id) ? [{ agent, key, id, entry }] : [];
    });
  });
  // An alias and its full key may both be there; the later one is the session that is in use.
  const byKey = new Map<string, (typeof entries)[number]>();
  for (const one of entries.toSorted((a, b) => number(a.entry['updatedAt']) - number(b.entry['updatedAt']))) {
    const key = keyOf(one.key, one.agent);
    const before = byKey.get(key);
    if (before && before.id !== one.id)
      repaired.push({ path: `agents/${one.agent}/sessions/sessions.json`, problem: `${before.key} and ${one.key} are one session; the later one is in use` });
    byKey.set(key, one);
  }

  function* sessions(): Generator<ImportedSession> {
    for (const [key, { agent, id, entry }] of byKey) {
      const path = `agents/${agent}/sessions/${id}.jsonl`;
      yield {
        id,
        key,
        agentId: agentIdOf(key) ?? agent,
        label: text(entry['label']),
        spawnedBy: text(entry['spawnedBy']),
        updatedAt: number(entry['updatedAt']),
        inputTokens: number(entry['inputTokens']),
        outputTokens: number(entry['outputTokens']),
        contextTokens: number(entry['totalTokens']),
        lastModel: text(entry['model']) === null ? null : `${text(entry['modelProvider']) ?? 'anthropic'}/${text(entry['model'])}`,
        entries: readTranscript(join(stateDir, path), (problem) => repaired.push({ path, problem })),
      };
    }
  }

  return { config: isObject(config) ? config : undefined, jobs, devices, files, sessions, sessionCount: byKey.size, repaired, unreadable };
}

function keyOf(key: string, agent: string): string {
  try {
    return canonicalSessionKey(key, { defaultAgentId: agent, mainKey: 'main' });
  } catch {
    return `agent:${agent}:imported-${key
      .replace(/[^\w:-]/g, '_')
      .slice(0, 200)
      .toLowerCase()}`;
  }
}

/** The messages of a transcript. Lines that cannot be read are told and left out. */
function readTranscript(path: string, onProblem: (problem: string) => void): EntryBody[] {
  let raw: string;
  try {
    raw = readFileSync(path, 'utf8');
  } catch (error) {
    onProblem(errorCode(error) === 'ENOENT' ? 'there is no transcript' : messageOf(error));
    return [];
  }
  const bodies: EntryBody[] = [];
  const seqOf = new Map<string, number>();
  let lost = 0;
  for (const line of raw.split('\n')) {
    if (line.trim() === '') continue;
    let parsed: unknown;
    try {
      parsed = JSON.parse(line);
    } catch {
      lost += 1;
      continue;
    }
    if (!isObject(parsed)) continue;
    const body = bodyOf(parsed, seqOf, bodies.length + 1);
    if (!body) continue;
    bodies.push(body);
    if (typeof parsed['id'] === 'string') seqOf.set(parsed['id'], bodies.length);
  }
  if (lost > 0) onProblem(`${lost} lines cannot be read and are left out`);
  return bodies;
}

function bodyOf(line: Json, seqOf: ReadonlyMap<string, number>, seq: number): EntryBody | undefined {
  if (line['type'] === 'compaction') {
    const keptFrom = seqOf.get(String(line['firstKeptEntryId'])) ?? seq + 1;
    return { kind: 'compaction', text: text(line['summary']) ?? '', pins: [], keptFrom, tokensBefore: number(line['tokensBefore']), by: 'model' };
  }
  const message = line['message'];
  if (line['type'] !== 'message' || !isObject(message)) return undefined;
  const parts =
    typeof message['content'] === 'string'
      ? [{ type: 'text', text: message['content'] }]
      : Array.isArray(message['content'])
        ? message['content'].filter(isObject)
        : [];
  const said = parts.flatMap((part) => (part['type'] === 'text' && typeof part['text'] === 'string' ? [part['text']] : [])).join('\n');
  switch (message['role']) {
    case 'user':
      return { kind: 'user', text: said };
    case 'toolResult':
      return {
        kind: 'tool_result',
        callId: String(message['toolCallId']),
        toolName: String(message['toolName']),
        text: said,
        isError: message['isError'] === true,
      };
    case 'assistant': {
      const toolCalls = parts.flatMap((part): ToolCall[] =>
        part['type'] === 'toolCall'
          ? [{ id: String(part['id']), name: String(part['name']), input: isObject(part['arguments']) ? part['arguments'] : {} }]
          : [],
      );
      return {
        kind: 'assistant',
        text: said,
        toolCalls,
        stopReason: stopOf(message['stopReason'], toolCalls),
        provider: text(message['provider']) ?? '',
        model: text(message['model']) ?? '',
        usage: usageOf(message['usage']),
      };
    }
    default:
      return undefined;
  }
}

function stopOf(written: unknown, calls: readonly ToolCall[]) {
  if (written === 'toolUse' || (calls.length > 0 && written !== 'aborted' && written !== 'error')) return 'tool_use';
  return written === 'length' || written === 'error' || written === 'aborted' || written === 'injected' ? written : 'stop';
}

function usageOf(usage: unknown) {
  if (!isObject(usage)) return NO_USAGE;
  const cost = isObject(usage['cost']) ? number(usage['cost']['total']) : null;
  return {
    input: number(usage['input']),
    output: number(usage['output']),
    cacheRead: number(usage['cacheRead']),
    cacheWrite: number(usage['cacheWrite']),
    cost,
  };
}

function names(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  } catch {
    return [];
  }
}

function exists(path: string): boolean {
  try {
    readFileSync(path);
    return true;
  } catch {
    return false;
  }
}
