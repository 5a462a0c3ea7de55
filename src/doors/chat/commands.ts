// Chat commands: lines that begin with a slash and are answered by the gateway, without a model and without a gap in the history.

import { toMicros } from '../../domain/budget.ts';
import { durationMs } from '../../domain/duration.ts';
import { resolveModel } from '../../domain/model.ts';
import { QUEUE_MODES, queueFor, queueModeNamed, queueOfChannel } from '../../domain/queue-mode.ts';
import type { SessionSettings } from '../../domain/session-settings.ts';
import { SessionSettings as Settings, validWords } from '../../domain/session-settings.ts';
import type { CommandEffect } from '../../features/chat/ops.ts';
import { firstModel, statusCard } from '../../features/runs/status-card.ts';
import { getSession } from '../../features/sessions/ops.ts';
import { settingsOf } from '../../features/sessions/views.ts';
import { own } from '../../kit/own.ts';
import type { MethodContext } from '../../ports/method.ts';
import { answerQuestion, tasksReport, usageText, whyReport } from './reports.ts';

export interface CommandAnswer {
  readonly effect: CommandEffect;
  readonly reply: string;
  /** What is left of the line for the agent. */
  readonly rest?: string;
}

interface Asked {
  readonly key: string;
  readonly argument: string;
}

type Command = (context: MethodContext, asked: Asked) => Promise<CommandAnswer> | CommandAnswer;

const NONE: CommandEffect = { kind: 'none' };
const COMPACT_TO = 100;

const said = (reply: string): CommandAnswer => ({ effect: NONE, reply });

const startAnew: Command = (_context, { argument }) => ({
  effect: { kind: 'reset' },
  reply: 'A new session has begun. The old one is kept.',
  ...(argument !== '' && { rest: argument }),
});

/** A command that shows or sets one level of the session. */
const level =
  (name: keyof SessionSettings, called: string): Command =>
  async (context, { key, argument }) => {
    const words = validWords(name);
    if (argument === '') {
      const session = await context.store.call(getSession, { workspaceId: context.workspaceId, key });
      return { effect: NONE, reply: `${called}: ${(session && settingsOf(session)[name]) ?? 'off'} (use ${words})` };
    }
    const value = Settings.shape[name].safeParse(argument.toLowerCase());
    if (!value.success) return { effect: NONE, reply: `"${argument}" is no ${called.toLowerCase()} level: use ${words}` };
    return { effect: { kind: 'patch', patch: { settings: { [name]: value.data } } }, reply: `${called} is ${String(value.data)} now.` };
  };

const COMMANDS: Readonly<Record<string, Command>> = {
  help: () => ({ effect: NONE, reply: HELP }),
  status: async (context, { key }) => ({ effect: NONE, reply: await card(context, key) }),
  new: startAnew,
  reset: startAnew,
  model: chooseModel,
  think: level('thinkingLevel', 'Thinking'),
  verbose: level('verboseLevel', 'Verbose'),
  reasoning: level('reasoningLevel', 'Reasoning'),
  elevated: level('elevatedLevel', 'Elevated'),
  fund,
  queue: setQueue,
  stop: () => ({ effect: { kind: 'stop' }, reply: 'Stopped.' }),
  why: async (context, { key, argument }) => said(await whyReport(context, key, argument)),
  tasks: async (context) => said(await tasksReport(context)),
  usage: async (context) => said(await usageText(context)),
  approve: (context, { argument }) => answerQuestion(context, argument, 'allow-once'),
  deny: (context, { argument }) => answerQuestion(context, argument, 'deny'),
  compact: () => ({
    effect: { kind: 'compact', keep: COMPACT_TO },
    reply: `The model is shown the latest ${COMPACT_TO} entries from now on. Nothing is deleted.`,
  }),
};
const ALIASES: Readonly<Record<string, string>> = { commands: 'help', thinking: 'think', t: 'think', v: 'verbose', models: 'model' };
const HELP = [
  '/status: model, tokens, queue',
  '/new or /reset [message]: a fresh session',
  '/model [name | default]: show or choose the model',
  '/think, /verbose, /reasoning, /elevated [level]: show or set a level',
  '/queue [mode] [debounce:2s cap:20 drop:old]: how messages wait while the agent is busy (default resets)',
  '/fund <dollars>: money for the run of this session that waits for some',
  '/compact: show the model only the latest part',
  '/stop: stop what runs',
  '/why [id]: what this conversation, a run or a task waits for',
  '/tasks: the open tasks; /usage: what today has cost',
  '/approve [id], /deny [id]: answer an open question',
].join('\n');

/** Commands that change nothing but the conversation they are given in. */
const FOR_EVERYBODY: ReadonlySet<string> = new Set(['help', 'status', 'new', 'reset', 'stop']);

export interface ChatCommand {
  /** Whether others than the owner may give it. */
  readonly forEverybody: boolean;
  readonly run: (context: MethodContext, key: string) => Promise<CommandAnswer>;
}

/** The command a message is, or undefined: then it is for the agent. */
export function commandIn(message: string): ChatCommand | undefined {
  const [, word = '', argument = ''] = /^\/([a-z]+)(?:[\s:]+([\s\S]*))?$/i.exec(message.trim()) ?? [];
  const name = own(ALIASES, word.toLowerCase()) ?? word.toLowerCase();
  const command = own(COMMANDS, name);
  return command && { forEverybody: FOR_EVERYBODY.has(name), run: async (context, key) => command(context, { key, argument: argument.trim() }) };
}

function fund(_context: MethodContext, { argument }: Asked): CommandAnswer {
  const usd = Number(argument.replace(/^\$/, ''));
  if (!(usd > 0)) return said('Say how much: /fund 2.50 (US dollars)');
  return { effect: { kind: 'fund', micros: toMicros(usd) }, reply: `$${usd.toFixed(2)} more today for what this session's run waits for: it goes on.` };
}

/** `/queue collect debounce:2s cap:25 drop:summarize`, in any order; `default` or `reset` follows the configuration again. */
async function setQueue(context: MethodContext, { key, argument }: Asked): Promise<CommandAnswer> {
  const { queue } = context.gateway.config().config.messages;
  if (argument === '') {
    const session = await context.store.call(getSession, { workspaceId: context.workspaceId, key });
    const { mode, debounceMs, cap, drop } = queueFor(queueOfChannel(queue, 'webchat'), session ? settingsOf(session) : {});
    return { effect: NONE, reply: `Queue: ${mode}, debounce ${debounceMs} ms, cap ${cap}, drop ${drop} (modes: ${QUEUE_MODES.join(', ')})` };
  }
  const settings: { -readonly [K in keyof SessionSettings]?: SessionSettings[K] | null } = {};
  let note = '';
  for (const word of argument.toLowerCase().split(/\s+/)) {
    const [name = '', value = ''] = word.split(':');
    const named = queueModeNamed(name);
    const fields = { debounce: ['queueDebounceMs', durationMs(value)], cap: ['queueCap', Number(value)], drop: ['queueDrop', value] } as const;
    const field = Object.hasOwn(fields, name) ? fields[name as keyof typeof fields] : undefined;
    if (name === 'default' || name === 'reset') Object.assign(settings, { queueMode: null, queueDebounceMs: null, queueCap: null, queueDrop: null });
    else if (named) {
      settings.queueMode = named.mode;
      if (!named.exact) note = ` ("${name}" is not built yet: messages follow one by one)`;
    } else if (field && Settings.shape[field[0]].safeParse(field[1]).success) Object.assign(settings, { [field[0]]: field[1] });
    else
      return {
        effect: NONE,
        reply: `"${word}" is not understood: /queue [${QUEUE_MODES.join(' | ')} | default] [debounce:2s] [cap:20] [drop:old|new|summarize]`,
      };
  }
  return { effect: { kind: 'patch', patch: { settings } }, reply: `The queue of this session is set${note}.` };
}

async function chooseModel(context: MethodContext, { key, argument }: Asked): Promise<CommandAnswer> {
  const { config } = context.gateway.config();
  if (argument === '') {
    const session = await context.store.call(getSession, { workspaceId: context.workspaceId, key });
    return { effect: NONE, reply: `Model: ${firstModel(config, key, session?.model_override ?? null)}` };
  }
  if (argument.toLowerCase() === 'default')
    return { effect: { kind: 'patch', patch: { model: null } }, reply: `Model: ${firstModel(config, key, null)} (the default)` };
  const { provider, model } = resolveModel(argument, config);
  return { effect: { kind: 'patch', patch: { model: `${provider}/${model}` } }, reply: `Model: ${provider}/${model} from the next turn on.` };
}

function card({ store, workspaceId, gateway }: MethodContext, key: string): Promise<string> {
  return statusCard({ store, workspaceId, config: gateway.config().config, version: gateway.version, key });
}
