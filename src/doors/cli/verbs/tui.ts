// clawdbot tui: a conversation in the terminal. What is typed goes to the agent; lines that begin with a slash are commands.

import { createInterface, type Interface } from 'node:readline';
import type { Command } from 'commander';
import { newUuid } from '../../../kit/id.ts';
import type { GatewayClient } from '../client.ts';
import { messageText } from '../messages.ts';
import { age, table } from '../text.ts';
import { type ConnectFlags, type VerbContext, withConnectFlags } from '../verb.ts';

interface Flags extends ConnectFlags {
  readonly session?: string;
  readonly message?: string;
  readonly thinking?: string;
  readonly timeoutMs?: string;
  readonly historyLimit: string;
}

interface ChatEvent {
  readonly sessionKey?: string;
  readonly state?: 'delta' | 'final' | 'aborted' | 'error';
  readonly message?: { readonly content?: readonly { readonly text?: string }[] };
  readonly errorMessage?: string;
}
interface AgentEvent {
  readonly sessionKey?: string;
  readonly stream?: string;
  readonly data?: { readonly phase?: string; readonly name?: string; readonly args?: unknown };
}
interface Question {
  readonly id: string;
  readonly request: { readonly command: string; readonly sessionKey?: string | null };
}
interface History {
  readonly messages: readonly Parameters<typeof messageText>[0][];
}
interface Sessions {
  readonly ts: number;
  readonly sessions: readonly { readonly key: string; readonly updatedAt: number; readonly label?: string; readonly derivedTitle?: string }[];
}
interface Defaults {
  readonly defaultAgentId: string;
  readonly mainSessionKey: string;
}

const HELP = `/sessions          list conversations
/session <name>    go to another one
/history [n]       show the last messages again
/abort             stop the answer (Esc or Ctrl-C too)
/allow [always]    let the command run that the agent asks about
/deny              do not let it run
/quit              leave (Ctrl-D too)
The gateway's own commands (/status, /new, /model, /help …) work as well.
`;
const RECONNECT_MS = 1000;
const PROMPT = '> ';

export function addTuiVerb(program: Command, context: VerbContext): void {
  withConnectFlags(
    program
      .command('tui')
      .description('Talk with an agent in the terminal')
      .option('--session <key>', 'conversation: main, a plain name, or agent:<id>:<name>')
      .option('--message <text>', 'say this first')
      .option('--thinking <level>', 'thinking level of what is said')
      .option('--timeout-ms <ms>', 'longest time of one turn')
      .option('--history-limit <n>', 'messages to show at the start', '200')
      .option('--deliver', 'accepted for compatibility: answers are shown here'),
  ).action((flags: Flags) => converse(context, flags));
}

/** Runs until the input ends or the person leaves. A lost connection is taken up again. */
async function converse({ world, withGateway }: VerbContext, flags: Flags): Promise<void> {
  const { input, output } = world.terminal();
  const lines = createInterface({ input, output, prompt: PROMPT, terminal: world.isTerminal() });
  const typed = createLineQueue(lines);
  const screen = createScreen(lines, world.out, world.isTerminal());
  let first = flags.message;
  let wanted = flags.session ?? 'main';
  for (;;) {
    let talk: Talk | undefined;
    let outcome: 'left' | 'lost' = 'lost';
    try {
      outcome = await withGateway(
        flags,
        async (client) => {
          const current = createTalk(client, screen, flags, wanted);
          talk = current;
          await current.show(Number(flags.historyLimit));
          if (first !== undefined) await current.say(first);
          first = undefined;
          const deaf = hearKeys(lines, current, screen);
          try {
            return await hear(typed, client.closed, current, screen, world.isTerminal());
          } finally {
            deaf();
          }
        },
        (event, payload) => talk?.onEvent(event, payload),
      );
    } catch (error) {
      if (!talk) throw error; // nobody answers at all: the caller says what to do
    }
    if (outcome === 'left') break;
    wanted = talk?.key ?? wanted;
    screen.note('the connection is lost; trying again');
    await world.pause(RECONNECT_MS);
    await waitUntilUp(() => withGateway(flags, async () => undefined), typed.isOver, world.pause);
    if (typed.isOver()) break;
  }
  lines.close();
}

/** Lines as they are typed, kept until somebody takes them. */
function createLineQueue(lines: Interface) {
  const waiting: string[] = [];
  let over = false;
  let tell: () => void = () => undefined;
  lines.on('line', (line) => {
    waiting.push(line);
    tell();
  });
  lines.on('close', () => {
    over = true;
    tell();
  });
  return {
    isOver: () => over && waiting.length === 0,
    /** Resolves when there is a line to take, or when there will be none. */
    ready: (): Promise<void> =>
      waiting.length > 0 || over
        ? Promise.resolve()
        : new Promise((resolve) => {
            tell = resolve;
          }),
    take: () => waiting.shift(),
  };
}

async function waitUntilUp(knock: () => Promise<unknown>, isLeaving: () => boolean, pause: (ms: number) => Promise<void>): Promise<void> {
  while (!isLeaving()) {
    try {
      await knock();
      return;
    } catch {
      await pause(RECONNECT_MS); // still down: it is shown once, and tried on
    }
  }
}

type Screen = ReturnType<typeof createScreen>;

/** Text above the line that is being typed. */
function createScreen(lines: Interface, out: (text: string) => void, isTerminal: boolean) {
  let streaming = false;
  let over = false;
  lines.once('close', () => {
    over = true; // an answer may still come, and nobody types any more
  });
  const above = (text: string) => {
    if (!streaming && isTerminal) out('\r\u001b[K');
    out(text);
  };
  const ask = () => {
    if (isTerminal && !over) lines.prompt(true);
  };
  return {
    note: (text: string) => {
      above(`${streaming ? '\n' : ''}(${text})\n`);
      if (!streaming) ask();
    },
    page: (text: string) => {
      above(text);
      if (!streaming) ask();
    },
    stream: (piece: string) => {
      if (piece === '') return;
      above(piece);
      streaming = true;
    },
    endStream: (text: string) => {
      above(text);
      streaming = false;
      ask();
    },
  };
}

type Talk = ReturnType<typeof createTalk>;

function createTalk(client: GatewayClient, screen: Screen, { thinking, timeoutMs }: Flags, wanted: string) {
  const defaults = (client.hello['snapshot'] as { sessionDefaults: Defaults }).sessionDefaults; // part of every hello
  const canonical = (name: string) => {
    const key = name.trim().toLowerCase();
    if (key === '' || key === 'main') return defaults.mainSessionKey;
    return key.startsWith('agent:') ? key : `agent:${defaults.defaultAgentId}:${key}`;
  };
  let key = canonical(wanted);
  let shown = '';
  let open = 0;
  let question: string | undefined;

  const show = async (limit: number) => {
    const { messages } = (await client.call('chat.history', { sessionKey: key, limit })) as History; // the shape of sessions/methods
    screen.page(`${messages.map((message) => `${messageText(message)}\n`).join('')}-- ${key} (/help for commands)\n`);
  };
  const onChat = ({ state, message, errorMessage }: ChatEvent) => {
    const text = (message?.content ?? []).map((part) => part.text ?? '').join('');
    const fresh = text.startsWith(shown) ? text.slice(shown.length) : `\n${text}`;
    if (state === 'delta') {
      screen.stream(fresh);
      shown = text;
      return;
    }
    open = Math.max(0, open - 1);
    shown = '';
    if (state === 'final') screen.endStream(`${fresh}\n\n`);
    else screen.endStream(state === 'aborted' ? `${fresh}\n(stopped)\n\n` : `\n(failed: ${errorMessage ?? 'no reason given'})\n\n`);
  };
  const onQuestion = ({ id, request }: Question) => {
    if (request.sessionKey !== key) return;
    question = id;
    screen.note(`may this run? ${request.command}   /allow, /allow always or /deny`);
  };
  return {
    get key() {
      return key;
    },
    show,
    onEvent: (event: string, payload: unknown) => {
      if (event === 'exec.approval.requested') return onQuestion(payload as Question); // the shape of notices
      if (event === 'exec.approval.resolved' && (payload as Question).id === question) question = undefined;
      const said = payload as ChatEvent & AgentEvent; // both have the key
      if (said.sessionKey !== key) return;
      if (event === 'chat') onChat(said);
      else if (event === 'agent' && said.stream === 'tool' && said.data?.phase === 'start') {
        shown = '';
        screen.note(`${said.data.name ?? 'tool'} ${JSON.stringify(said.data.args ?? {}).slice(0, 120)}`);
      }
    },
    say: async (message: string) => {
      const limit = Number(timeoutMs);
      open += 1;
      const answer = (await client.call('chat.send', {
        sessionKey: key,
        message,
        deliver: false,
        idempotencyKey: newUuid(),
        ...(thinking !== undefined && { thinking }),
        ...(limit > 0 && { timeoutMs: limit }),
      })) as { aborted?: boolean }; // the shape of protocol3/methods
      if (answer.aborted !== undefined) open -= 1;
    },
    abort: async (): Promise<boolean> => ((await client.call('chat.abort', { sessionKey: key })) as { aborted: boolean }).aborted, // the shape of protocol3/methods
    decide: async (decision: string) => {
      if (question === undefined) return screen.note('nothing is asked');
      await client.call('exec.approval.resolve', { id: question, decision });
      question = undefined;
    },
    /** Waits until an answer, or the next line, is due. */
    isDue: async () => {
      while (open > 0 && question === undefined) await new Promise((resolve) => setTimeout(resolve, 20));
    },
    sessions: async () => {
      const { sessions, ts } = (await client.call('sessions.list', { limit: 30, includeDerivedTitles: true })) as Sessions; // the shape of sessions/methods
      screen.page(
        table(
          [],
          sessions.map((row) => [row.key === key ? '*' : ' ', row.key, age(ts - row.updatedAt), row.label ?? row.derivedTitle ?? '']),
        ),
      );
    },
    goTo: async (name: string) => {
      key = canonical(name);
      shown = '';
      await show(20);
    },
    /** Waits for answers that are still to come. */
    quiet: async () => {
      while (open > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    },
  };
}

/** Carries out what is typed until the person leaves or the connection is lost. A program that types waits for each answer. */
async function hear(
  typed: ReturnType<typeof createLineQueue>,
  closed: Promise<unknown>,
  talk: Talk,
  screen: Screen,
  isTerminal: boolean,
): Promise<'left' | 'lost'> {
  let lost = false;
  const gone = closed.then(() => {
    lost = true;
  });
  for (;;) {
    await Promise.race([typed.ready(), gone]);
    if (lost) return 'lost';
    const line = typed.take();
    if (line === undefined || /^\s*\/(quit|exit)\s*$/.test(line)) {
      await Promise.race([talk.quiet(), gone]);
      return 'left';
    }
    try {
      await carryOut(line.trim(), talk, screen);
    } catch (error) {
      screen.note(error instanceof Error ? error.message : String(error));
    }
    if (!isTerminal) await Promise.race([talk.isDue(), gone]);
  }
}

async function carryOut(line: string, talk: Talk, screen: Screen): Promise<void> {
  const [, command = '', argument = ''] = /^\/(\w+)\s*(.*)$/s.exec(line) ?? [];
  if (line === '') return screen.page('');
  if (command === 'help') screen.page(HELP);
  if (command === 'sessions') await talk.sessions();
  else if (command === 'session') await talk.goTo(argument);
  else if (command === 'history') await talk.show(Number(argument) || 20);
  else if (command === 'abort') await abort(talk, screen);
  else if (command === 'allow') await talk.decide(argument === 'always' ? 'allow-always' : 'allow-once');
  else if (command === 'deny') await talk.decide('deny');
  else await talk.say(line);
}

async function abort(talk: Talk, screen: Screen): Promise<void> {
  if (!(await talk.abort())) screen.note('nothing is running; /quit leaves');
}

/** Esc and Ctrl-C stop the answer. Answers how to stop listening. */
function hearKeys(lines: Interface, talk: Talk, screen: Screen): () => void {
  const stop = () => void abort(talk, screen).catch((error: unknown) => screen.note(String(error)));
  const onKey = (_text: string, key: { readonly name?: string } | undefined) => {
    if (key?.name === 'escape') stop();
  };
  const { input } = lines as unknown as { readonly input: NodeJS.EventEmitter }; // readline keeps it, and the types hide it
  lines.on('SIGINT', stop);
  input.on('keypress', onKey);
  return () => {
    lines.off('SIGINT', stop);
    input.off('keypress', onKey);
  };
}
