// Methods of the original whose part is not here yet: lists are empty, the rest says clearly that it is absent.

import { z } from 'zod';
import type { Scope } from '../../domain/authorize.ts';
import { defaultAgentId, workspaceOf } from '../../domain/config.ts';
import { fault } from '../../domain/fault-codes.ts';
import { type AnyMethod, type MethodContext, method } from '../../ports/method.ts';

const Anything = z.record(z.string(), z.unknown());

function reader(name: string, scope: Scope, about: string, answer: (context: MethodContext, input: Readonly<Record<string, unknown>>) => unknown): AnyMethod {
  return method({ name, scope, about, input: z.looseObject({}), output: z.unknown(), run: async (context, input) => answer(context, input) });
}

/** A method without a meaning here: it refuses, and names what is missing. */
function absent(name: string, scope: Scope, what: string): AnyMethod {
  return method({
    name,
    scope,
    about: `Not available yet: ${what} are not part of this version.`,
    input: z.looseObject({}),
    output: Anything,
    run: async () => {
      throw fault('feature.absent', { what: name });
    },
  });
}

function refused(name: string, scope: Scope, about: string, reason: (input: Readonly<Record<string, unknown>>) => string): AnyMethod {
  return method({
    name,
    scope,
    about,
    input: z.looseObject({}),
    output: Anything,
    run: async (_context, input) => {
      throw fault('request.refused', { reason: reason(input) });
    },
  });
}

const empty: readonly AnyMethod[] = [
  reader('usage.status', 'operator.read', 'Quotas of model providers. None are read yet.', ({ clock }) => ({ updatedAt: clock.now(), providers: [] })),
  reader('skills.status', 'operator.read', 'Skills of agents. There are none yet.', ({ gateway }) => {
    const { config } = gateway.config();
    return { workspaceDir: workspaceOf(config, defaultAgentId(config)), managedSkillsDir: `${gateway.stateDir}/skills`, skills: [] };
  }),
  reader('skills.bins', 'node', 'Programs that skills ask nodes for. None yet.', () => ({ bins: [] })),
  reader('tts.status', 'operator.read', 'Text to speech. No provider is built in yet.', ({ gateway }) => ({
    enabled: false,
    auto: 'off',
    provider: null,
    fallbackProvider: null,
    fallbackProviders: [],
    prefsPath: `${gateway.stateDir}/settings/tts.json`,
    hasOpenAIKey: false,
    hasElevenLabsKey: false,
    edgeEnabled: false,
  })),
  reader('tts.providers', 'operator.read', 'Providers of speech. None yet.', () => ({ providers: [], active: null })),
  reader('node.list', 'operator.read', 'Connected devices that take commands. None yet.', ({ clock }) => ({ ts: clock.now(), nodes: [] })),
  reader('node.pair.list', 'operator.pairing', 'Nodes that ask to be paired. None yet.', () => ({ pending: [], paired: [] })),
];

const refusals: readonly AnyMethod[] = [
  refused('channels.logout', 'operator.admin', 'Signs a channel out. No channels are configured.', () => 'invalid channels.logout channel'),
  refused(
    'poll',
    'operator.admin',
    'Asks a question in a channel. No channels are configured.',
    ({ channel }) => `unsupported poll channel: ${String(channel ?? 'whatsapp')}`,
  ),
  refused('web.login.start', 'operator.admin', 'Signs in to WhatsApp. Not provided.', () => 'web login provider is not available'),
  refused('web.login.wait', 'operator.admin', 'Waits for a sign-in to WhatsApp. Not provided.', () => 'web login provider is not available'),
  refused('node.describe', 'operator.read', 'One connected device. None is known.', () => 'unknown nodeId'),
  refused('node.rename', 'operator.pairing', 'Renames a connected device. None is known.', () => 'unknown nodeId'),
  ...['wizard.next', 'wizard.cancel', 'wizard.status'].map((name) =>
    refused(name, 'operator.admin', 'A set-up dialogue that was begun.', () => 'wizard not found'),
  ),
  method({
    name: 'node.invoke',
    scope: 'operator.write',
    about: 'Runs a command on a node. No nodes are connected.',
    input: z.looseObject({}),
    output: Anything,
    run: async () => {
      throw fault('node.not_connected');
    },
  }),
];

const ABSENT: readonly (readonly [scope: Scope, what: string, names: string])[] = [
  ['operator.admin', 'skills', 'skills.install skills.update'],
  ['operator.write', 'speech providers', 'tts.enable tts.disable tts.convert tts.setProvider'],
  ['operator.pairing', 'nodes', 'node.pair.request node.pair.approve node.pair.reject node.pair.verify'],
  ['node', 'nodes', 'node.invoke.result node.event'],
  ['operator.admin', 'nodes', 'exec.approvals.node.get exec.approvals.node.set'],
  ['operator.write', 'browsers', 'browser.request'],
  ['operator.admin', 'updates from here', 'update.run'],
  ['operator.admin', 'set-up dialogues', 'wizard.start'],
];

export const standIns: readonly AnyMethod[] = [
  ...empty,
  ...refusals,
  ...ABSENT.flatMap(([scope, what, names]) => names.split(' ').map((name) => absent(name, scope, what))),
];
