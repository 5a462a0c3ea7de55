// An agent says something in a channel on its own accord: only where the owner has let it, by its role and by whose words it acts on.

import { type Address, accountsOf, homeOf, type Outgoing } from '../../domain/channel.ts';
import type { Config } from '../../domain/config.ts';
import { fault } from '../../domain/fault-codes.ts';
import type { RunInput } from '../../domain/run.ts';
import { type OpSteps, txOp } from '../../ports/store.ts';
import { runById } from '../runs/rows.ts';
import { routeOf } from './answers.ts';
import { type EntryView, getOutgoing, putOutbox } from './outbox.ts';
import { isPaired } from './peers.ts';

/** Roles that write to the owner through the gateway. */
const REPORTERS: ReadonlySet<string> = new Set(['person-manager', 'coordinator']);

export interface Saying {
  readonly workspaceId: string;
  readonly runId: string;
  /** Role of the agent, where the run itself has none. */
  readonly role: string | null;
  readonly home: Address | null;
  /** Conversations that the configuration names. */
  readonly places: readonly string[];
  readonly to: Address;
  readonly body: Outgoing;
  readonly intent: string;
}

/** What of the configuration decides where agents may speak. */
export function speakingPlaces(config: Config, channel: string): Pick<Saying, 'home' | 'places'> {
  const accounts = [...accountsOf(config, channel).values()].filter(({ enabled }) => enabled);
  const listed = accounts.flatMap(({ channels, owner }) => [
    ...(owner === undefined ? [] : [owner]),
    ...Object.entries(channels).flatMap(([id, { enabled = true, allow = true }]) => (id !== '*' && enabled && allow ? [id] : [])),
  ]);
  return { home: homeOf(config) ?? null, places: listed };
}

/** @throws Fault `channel.refused` with the rule */
export const sayInChannel = txOp(
  'channels.say',
  function* (tx, { workspaceId, runId, role: ofAgent, home, places, to, body, intent }: Saying): OpSteps<EntryView> {
    const run = yield* tx.one(runById, { id: runId });
    if (!run) throw fault('run.not_found', { id: runId });
    const role = run.role ?? ofAgent;
    const { tools, deliver } = JSON.parse(run.input) as RunInput; // written by enqueueRun
    const own = deliver?.to ?? (yield* routeOf(tx, run.session_id));
    const isOwn = own?.channel === to.channel && own.account === to.account && own.place === to.place;
    const isHome = home?.channel === to.channel && home.account === to.account && home.place === to.place;
    if (role !== null && !(REPORTERS.has(role) && isHome)) {
      const rule = REPORTERS.has(role)
        ? `the role ${role} writes to the owner alone (channels.${to.channel}.home or owner)`
        : `the role ${role} does not write to people: report to your manager`;
      throw fault('channel.refused', { rule });
    }
    if (role === null && tools !== undefined && !isOwn)
      throw fault('channel.refused', { rule: 'somebody who is not the owner asked for it: you may answer only where you were asked' });
    if (
      role === null &&
      !isOwn &&
      !isHome &&
      !places.includes(to.place) &&
      !(yield* isPaired(tx, { workspaceId, channel: to.channel, account: to.account, id: to.place }))
    )
      throw fault('channel.refused', { rule: `${to.place} is neither the owner, nor listed under channels.${to.channel}.channels, nor paired` });
    const id = yield* putOutbox(tx, { workspaceId, to, body, intent, actor: `run:${runId}`, runId });
    const entry = yield* getOutgoing.body(tx, { id });
    if (!entry) throw new Error(`the outbox has no ${intent}`);
    return entry;
  },
  { worker: true },
);
