// Runtime claude-code: the `claude` command as a process of its own, with the gateway's tools and no others.

import { spawn } from 'node:child_process';
import { accessSync, constants, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import type { ToolCall } from '../../domain/transcript.ts';
import { isObject, type Json } from '../../kit/json.ts';
import { createLineSplitter } from '../../kit/lines.ts';
import { createMailbox } from '../../kit/mailbox.ts';
import { killGroup, startTimeOf } from '../../kit/process-ref.ts';
import type { ProcessLedger } from '../../ports/process-ledger.ts';
import type { Runtime, RuntimeEvent, RuntimeRequest } from '../../ports/runtime.ts';
import { openMcpEndpoint } from './mcp-endpoint.ts';

const SERVER = 'gateway';
const PREFIX = `mcp__${SERVER}__`;
const MAX_LINE = 16_777_216;
const STDERR_KEPT = 4000;
const TERM_GRACE_MS = 2000;
/** The command begins once it is noted, so that a crash leaves nothing running that nobody knows of. */
const WAIT_FOR_GO = 'read -r go && exec "$@"';

interface ClaudeOptions {
  readonly command: string;
  readonly stateDir: string;
  readonly env: Readonly<Record<string, string>>;
  readonly ledger: ProcessLedger;
}

/** Where the command is: as configured, on the PATH, or where clawdbot runtime install has put it. */
export function findClaude({ configured, stateDir, path }: { configured: string | undefined; stateDir: string; path: string }): string | undefined {
  const candidates = [
    ...(configured === undefined ? [] : [configured]),
    ...path
      .split(delimiter)
      .filter(isAbsolute)
      .map((folder) => join(folder, 'claude')),
    join(stateDir, 'runtimes', 'claude-code', 'node_modules', '.bin', 'claude'),
  ];
  return candidates.find((candidate) => {
    try {
      accessSync(candidate, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

export function createClaudeCode(options: ClaudeOptions): Runtime {
  return {
    name: 'claude-code',
    run: async function* (request) {
      let last: RuntimeEvent | undefined;
      for await (const event of attempt(options, request, request.isKnown)) {
        last = event;
        if (event.kind !== 'end' || event.ok || !isOtherWayRound(event.problem)) yield event;
      }
      // It knew the conversation although we did not expect it, or the other way round: once more, the other way.
      if (last?.kind === 'end' && !last.ok && isOtherWayRound(last.problem)) yield* attempt(options, request, !request.isKnown);
    },
  };
}

function isOtherWayRound(problem = ''): boolean {
  return /no conversation found|already in use/i.test(problem);
}

async function* attempt({ command, stateDir, env, ledger }: ClaudeOptions, request: RuntimeRequest, isKnown: boolean): AsyncGenerator<RuntimeEvent> {
  const { prompt, system, model, endpoint, conversation, cwd, tools, callTool, signal, runId } = request;
  const mcp = await openMcpEndpoint({ tools, callTool });
  const scratch = join(stateDir, 'run', 'claude', runId); // the next attempt takes the place of what a crash left
  mkdirSync(scratch, { recursive: true, mode: 0o700 });
  try {
    const file = (name: string, text: string) => {
      writeFileSync(join(scratch, name), text, { mode: 0o600 });
      return join(scratch, name);
    };
    const servers = { mcpServers: { [SERVER]: { type: 'http', url: mcp.url, headers: { Authorization: `Bearer ${mcp.token}` } } } };
    const args = [
      '-p',
      ...['--output-format', 'stream-json', '--verbose', '--include-partial-messages'],
      ...['--model', model, '--tools', ''],
      ...['--mcp-config', file('mcp.json', JSON.stringify(servers)), '--strict-mcp-config', '--allowedTools', `mcp__${SERVER}`],
      ...['--system-prompt-file', file('system.md', system), '--setting-sources', '', '--disable-slash-commands'],
      ...[isKnown ? '--resume' : '--session-id', conversation],
    ];
    const child = spawn('/bin/sh', ['-c', WAIT_FOR_GO, 'sh', command, ...args], {
      cwd,
      env: { ...env, ...environmentOf(endpoint, stateDir) },
      detached: true,
      stdio: 'pipe',
    });
    const events = createMailbox<RuntimeEvent>();
    const reader = createReader(events.put);
    let stderr = '';
    const split = createLineSplitter(reader.line, MAX_LINE);
    child.stdout.on('data', split);
    child.stderr.on('data', (chunk: Buffer) => {
      stderr = (stderr + chunk.toString('utf8')).slice(-STDERR_KEPT);
    });
    child.stdin.on('error', () => undefined); // it ended before it read its order: its exit says so
    child.once('error', (error) => events.put({ kind: 'end', ok: false, text: '', problem: `claude could not be started: ${error.message}` }));
    child.once('close', (code) =>
      events.put(reader.end() ?? { kind: 'end', ok: false, text: '', problem: stderr.trim() || `claude ended with code ${code ?? 'none'} and no answer` }),
    );
    const pid = child.pid ?? 0;
    const stop = () => {
      killGroup(pid, 'SIGTERM');
      setTimeout(() => killGroup(pid, 'SIGKILL'), TERM_GRACE_MS).unref();
    };
    signal.addEventListener('abort', stop, { once: true });
    const started = startTimeOf(pid);
    try {
      if (pid !== 0) await ledger.note(pid, started, runId);
      child.stdin.end(`go\n${prompt}`);
      for (;;) {
        const event = await events.take();
        yield event;
        if (event.kind === 'end') return;
      }
    } finally {
      signal.removeEventListener('abort', stop);
      if (pid !== 0) {
        killGroup(pid, 'SIGKILL');
        await ledger.forget(pid, started);
      }
    }
  } finally {
    mcp.close();
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** With a key of ours it keeps its conversations in our state folder; without one it uses the owner's own sign-in. */
function environmentOf(endpoint: RuntimeRequest['endpoint'], stateDir: string): Record<string, string> {
  const quiet = {
    DISABLE_TELEMETRY: '1',
    DISABLE_AUTOUPDATER: '1',
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    ENABLE_TOOL_SEARCH: 'false',
    IS_SANDBOX: '1',
  };
  if (!endpoint) return quiet;
  const home = join(stateDir, 'runtimes', 'claude-home');
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const { baseUrl, credential } = endpoint;
  return {
    ...quiet,
    CLAUDE_CONFIG_DIR: home,
    ...(baseUrl !== undefined && { ANTHROPIC_BASE_URL: baseUrl.replace(/\/v1\/?$/, '') }),
    ...(credential.kind === 'api_key' ? { ANTHROPIC_API_KEY: credential.secret } : { ANTHROPIC_AUTH_TOKEN: credential.secret }),
  };
}

const number = (value: unknown): number => (typeof value === 'number' ? value : 0);

/** Turns the lines of stream-json into events. One answer comes in several lines, one for each of its blocks. */
function createReader(put: (event: RuntimeEvent) => void) {
  let open: { id: string; text: string; calls: ToolCall[]; usage: Json } | undefined;
  const flush = () => {
    if (!open) return;
    const { text, calls, usage } = open;
    open = undefined;
    const counts = {
      input: number(usage['input_tokens']),
      output: number(usage['output_tokens']),
      cacheRead: number(usage['cache_read_input_tokens']),
      cacheWrite: number(usage['cache_creation_input_tokens']),
    };
    put({ kind: 'said', text, calls, usage: counts });
  };
  let ended: RuntimeEvent | undefined;
  const line = (text: string) => {
    let event: unknown;
    try {
      event = JSON.parse(text);
    } catch {
      return; // not a line of the protocol
    }
    if (!isObject(event)) return;
    const { message } = event;
    if (event['type'] === 'stream_event') {
      const inner = event['event'];
      const delta = isObject(inner) ? inner['delta'] : undefined;
      if (isObject(delta) && delta['type'] === 'text_delta' && typeof delta['text'] === 'string') put({ kind: 'text', piece: delta['text'] });
    } else if (event['type'] === 'assistant' && isObject(message)) {
      const id = String(message['id']);
      if (open?.id !== id) flush();
      open ??= { id, text: '', calls: [], usage: {} };
      if (isObject(message['usage'])) open.usage = message['usage'];
      for (const block of Array.isArray(message['content']) ? message['content'].filter(isObject) : []) {
        if (block['type'] === 'text') open.text += String(block['text'] ?? '');
        if (block['type'] === 'tool_use')
          open.calls.push({ id: String(block['id']), name: String(block['name']).replace(PREFIX, ''), input: isObject(block['input']) ? block['input'] : {} });
      }
    } else if (event['type'] === 'user' && isObject(message)) {
      flush();
      for (const block of Array.isArray(message['content']) ? message['content'].filter(isObject) : [])
        if (block['type'] === 'tool_result')
          put({ kind: 'result', callId: String(block['tool_use_id']), text: textOf(block['content']), isError: block['is_error'] === true });
    } else if (event['type'] === 'result') {
      flush();
      const said = typeof event['result'] === 'string' ? event['result'] : '';
      const errors = Array.isArray(event['errors']) ? event['errors'].map(String).join('; ') : '';
      const ok = event['subtype'] === 'success' && event['is_error'] !== true;
      ended = { kind: 'end', ok, text: said, ...(!ok && { problem: errors || said || String(event['subtype']) }) };
    }
  };
  return { line, end: (): RuntimeEvent | undefined => ended };
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  return Array.isArray(content) ? content.flatMap((part) => (isObject(part) && typeof part['text'] === 'string' ? [part['text']] : [])).join('\n') : '';
}
