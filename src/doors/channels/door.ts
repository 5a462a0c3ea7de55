// The door of the message channels: events come in and become runs, answers and questions go out, whoever is connected.

import type { Principal } from '../../domain/authorize.ts';
import { accountsOf, type ChannelAccount, type ChannelEvent, homeOf, type IncomingDecision, type IncomingMessage } from '../../domain/channel.ts';
import type { EventBody } from '../../domain/event.ts';
import { routingOf } from '../../domain/inbound.ts';
import { queueOfChannel } from '../../domain/queue-mode.ts';
import type { WorkerToGateway } from '../../domain/worker-frame.ts';
import { listApprovals } from '../../features/approvals/ops.ts';
import { startDeliverer } from '../../features/channels/deliver.ts';
import { createLive } from '../../features/channels/live.ts';
import { closeQuestion, questionIntent, queueOutgoing, wakeOutgoing } from '../../features/channels/outbox.ts';
import { forgetOldEvents, isRefusal, lookAtMessage, type ReceiveArgs, type Received, receive } from '../../features/channels/receive.ts';
import { resolveApproval } from '../../features/decisions/ops.ts';
import { isFault, messageOf } from '../../kit/fault.ts';
import { newCode } from '../../kit/id.ts';
import { startLoop } from '../../kit/loop.ts';
import type { Channel } from '../../ports/channel.ts';
import type { LoopWorld } from '../../ports/loop-world.ts';
import type { ChannelStatus, MethodContext } from '../../ports/method.ts';
import { commandIn } from '../chat/commands.ts';
import { questionText } from '../chat/reports.ts';
import { createAccounts } from './accounts.ts';
import { catchUp } from './catch-up.ts';
import { createOrder } from './order.ts';

interface ChannelDoorOptions extends LoopWorld {
  readonly catalog: readonly Channel[];
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly contextFor: (principal: Principal) => MethodContext;
  /** An account has come or gone. */
  readonly onState: () => void;
}

export type ChannelDoor = ReturnType<typeof openChannelDoor>;

const LOOK_EVERY_MS = 1000;
const IDLE_MS = 30_000;
const FORGET_EVERY_MS = 3_600_000;
/** Slack wants to hear within three seconds that an event has arrived. */
const HELD_FOR_MS = 2500;
const STOP_WORDS = new Set(['stop', 'abort', 'interrupt']);
/** Choices of a question by its kind. */
const CHOICES: Readonly<Record<string, readonly string[]>> = { exec: ['allow-once', 'allow-always', 'deny'] };

export function openChannelDoor({ catalog, variables, contextFor, onState, ...world }: ChannelDoorOptions) {
  const { workspaceId, store, config, clock, log, isMine } = world;
  const inOrder = createOrder((event) => take(event));
  /** What was missed is looked up before what is said now is taken, so that all stays in order; a provider that is slow holds nothing up for long. */
  let lookingUp: Promise<unknown> = Promise.resolve();
  const onEvent = async (event: ChannelEvent): Promise<void> => {
    await lookingUp;
    return inOrder(event);
  };

  const accounts = createAccounts(catalog, variables, (channel, account, settings) => {
    const inside = log.child({ channel: channel.id, account });
    return {
      account,
      settings,
      variables,
      clock,
      log: inside,
      onEvent,
      onState: (back) => {
        const state = accounts.connection(channel.id, account)?.state();
        if (state)
          inside[state.state === 'connected' ? 'info' : 'warn'](
            { state: state.state, problem: state.problem },
            'the connection of a channel is in another state',
          );
        onState();
        if (state?.state === 'connected') inBackground(store.call(wakeOutgoing, { workspaceId, channel: channel.id, account }).then(deliverer.poke));
        const conn = accounts.connection(channel.id, account);
        if (!back || !conn) return;
        const done = catchUp({ ...world, log: inside, channel: channel.id, account, settings, conn, since: back.since, onEvent: inOrder });
        lookingUp = Promise.race([Promise.all([lookingUp, done]), clock.sleep(HELD_FOR_MS)]);
      },
    };
  });
  const { connection } = accounts;
  const hasAccounts = () => accounts.list(config()).length > 0;
  const live = createLive({ workspaceId, store, clock, log, connection });
  const deliverer = startDeliverer({ ...world, connection, isNeeded: hasAccounts, quiet: live.quiet });

  async function take(event: ChannelEvent): Promise<void> {
    const account = accountsOf(config(), event.channel).get(event.account);
    if (!account) return;
    if (event.kind === 'decision') return decide(event, account);
    const { agents, messages } = config();
    const args: ReceiveArgs = {
      workspaceId,
      event,
      account,
      routing: routingOf(config()),
      queue: queueOfChannel(messages.queue, event.channel),
      timeoutMs: agents.defaults.timeoutSeconds * 1000,
      ackEmoji: event.kind === 'message' && showsAck(event) ? messages.ackReaction : '',
      code: newCode(),
    };
    const command = event.kind === 'message' ? await commandOf(event, args) : undefined;
    const received = await receiveOrSay(command ? { ...args, command } : args);
    if (received.fate === 'accepted') {
      if (account.streaming && received.deliver.to.onlyFor === undefined) live.follow(received.runKey, received.runId, received.deliver.to);
      if (command) deliverer.poke();
    } else if (received.fate === 'ignored') log.debug({ event: event.eventId, reason: received.reason }, 'a message is not for the agent');
    if (received.fate === 'pairing' || received.fate === 'refused') deliverer.poke();
  }

  const receiveOrSay = async (args: ReceiveArgs): Promise<Received> => {
    try {
      return await store.call(receive, args);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return store.call(receive, { ...args, refusal: messageOf(error) });
    }
  };

  const showsAck = ({ peer, mentioned }: IncomingMessage): boolean => {
    const { ackReactionScope: scope } = config().messages;
    if (scope === 'all') return true;
    return peer.kind === 'dm' ? scope === 'direct' : scope === 'group-all' || (scope === 'group-mentions' && mentioned);
  };

  /** What a chat command comes to, for those who may give it. */
  const commandOf = async (event: IncomingMessage, { routing, account }: ReceiveArgs): Promise<ReceiveArgs['command']> => {
    const written = event.isSlash && !event.text.startsWith('/') ? `/${event.text}` : STOP_WORDS.has(event.text.trim().toLowerCase()) ? '/stop' : event.text;
    const command = written.startsWith('/') ? commandIn(written) : undefined;
    if (!command) return undefined;
    const admission = await store.call(lookAtMessage, { workspaceId, account, routing, event });
    if (admission.kind !== 'accepted') return undefined;
    const isOwner = admission.trust === 'owner';
    if (!isOwner && !command.forEverybody) return { effect: { kind: 'none' }, reply: 'Only my owner can do that.' };
    const actor = `${isOwner ? 'owner:' : ''}${event.channel}:${event.sender.id}`;
    const context = contextFor({ workspaceId, actor, role: 'operator', scopes: [isOwner ? 'operator.admin' : 'operator.read'] });
    return command.run(context, admission.sessionKey).catch((error: unknown) => ({ effect: { kind: 'none' as const }, reply: messageOf(error) }));
  };

  /** A button was pressed: only the owner's finger counts. */
  const decide = async (
    { channel, account: id, place, thread, sender, approvalId, decision, eventId }: IncomingDecision,
    { owner }: ChannelAccount,
  ): Promise<void> => {
    const say = (text: string) =>
      store.call(queueOutgoing, {
        workspaceId,
        to: { channel, account: id, place, thread, onlyFor: sender.id },
        body: { kind: 'text', text },
        intent: `pressed:${eventId}`,
        actor: 'gateway',
      });
    if (owner === undefined || sender.id !== owner) return void (await say('Only my owner can answer this.'));
    try {
      await store.call(resolveApproval, { workspaceId, id: approvalId, decision, actor: `owner:${channel}:${sender.id}` });
    } catch (error) {
      if (!isFault(error, 'approval.unknown')) throw error;
      await say('This question is settled already.');
    }
  };

  /** Open questions are put to the owner, each once; also those that came while no node held the channel. */
  const askOpen = async (): Promise<void> => {
    const to = homeOf(config());
    if (!to || !isMine()) return;
    for (const approval of await store.call(listApprovals, { workspaceId, limit: 100 })) {
      if (approval.state !== 'pending') continue;
      const { id, kind } = approval;
      const body = { kind: 'question' as const, text: questionText(approval), approvalId: id, choices: CHOICES[kind] ?? ['allow-once', 'deny'] };
      await store.call(queueOutgoing, { workspaceId, to, body, intent: questionIntent(id), actor: 'gateway' });
    }
  };

  let wasMine = false;
  const hold = async (): Promise<number> => {
    const mine = isMine();
    await accounts.follow(config(), mine);
    if (mine && !wasMine) await askOpen();
    wasMine = mine;
    return hasAccounts() ? LOOK_EVERY_MS : IDLE_MS;
  };
  const forget = async (): Promise<undefined> => {
    if (isMine() && hasAccounts()) await store.call(forgetOldEvents, { workspaceId });
  };
  const forgetting = startLoop({ name: 'channels-forget', everyMs: FORGET_EVERY_MS, run: forget, clock, log });
  const holding = startLoop({ name: 'channels', everyMs: LOOK_EVERY_MS, run: hold, clock, log });
  const inBackground = (work: Promise<unknown>) =>
    void work.catch((error: unknown) => log.warn({ error: messageOf(error) }, 'something could not be put into the outbox'));

  return {
    list: (): ChannelStatus[] => accounts.list(config()),
    onEvent: (body: EventBody, runKey: string | null) => {
      if (body.kind === 'run.ended') {
        if (runKey !== null) live.onEnd(runKey);
        deliverer.poke();
      } else if (body.kind === 'outbox' && body.state === 'queued') deliverer.poke();
      else if (body.kind === 'approval.requested') inBackground(askOpen());
      else if (body.kind === 'approval.resolved' && isMine()) {
        const { id, state, decidedBy } = body.approval;
        const text = `${questionText(body.approval)}\n**${state}**${decidedBy === null ? '' : ` by ${decidedBy}`}`;
        inBackground(store.call(closeQuestion, { workspaceId, approvalId: id, text }));
      }
    },
    onFrame: (frame: WorkerToGateway) => {
      if (frame.kind === 'delta') live.onDelta(frame);
      else if (frame.kind === 'tool' && frame.phase === 'start') live.onStep(frame.runKey);
    },
    reconfigure: () => {
      holding.poke();
      deliverer.poke();
    },
    stop: async () => {
      live.stop();
      await Promise.all([holding.stop(), forgetting.stop(), deliverer.stop()]);
      await accounts.stop();
    },
  };
}
