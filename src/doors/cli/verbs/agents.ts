// clawdbot agents: the configured agents, and changes to their list.

import type { Command } from 'commander';
import { agentIds, defaultAgentId } from '../../../domain/config.ts';
import { table } from '../text.ts';
import { CliError, type VerbContext } from '../verb.ts';
import { change } from './config.ts';

interface AgentEntry {
  readonly id: string;
  readonly [key: string]: unknown;
}
interface AddFlags {
  readonly workspace?: string;
  readonly model?: string;
  readonly json?: boolean;
}
interface IdentityFlags {
  readonly agent?: string;
  readonly name?: string;
  readonly theme?: string;
  readonly emoji?: string;
  readonly avatar?: string;
  readonly json?: boolean;
}

const AGENT_ID = /^[a-z0-9][a-z0-9_-]{0,63}$/;

export function addAgentsVerbs(program: Command, context: VerbContext): void {
  const { world, profile, print } = context;
  const agents = program.command('agents').description('The configured agents');
  const written = async () => {
    const { value, config } = await world.readConfig(profile());
    const list = (value as { agents?: { list?: readonly AgentEntry[] } } | undefined)?.agents?.list ?? []; // checked by the schema when it is loaded
    if (!config) throw new CliError('the configuration file is missing or not valid. See: clawdbot config validate');
    return { list, config };
  };
  const setList = (list: readonly AgentEntry[]) =>
    change(
      context,
      (client) => client.call('config.edit', { path: 'agents.list', value: list }),
      (file) => file.write({ kind: 'set', path: ['agents', 'list'], value: list }, { actor: 'cli' }),
    );

  agents
    .command('list', { isDefault: true })
    .description('Agents with their workspaces and models')
    .option('--json', 'as JSON')
    .option('--bindings', 'accepted for compatibility')
    .action(async ({ json }: { json?: boolean }) => {
      const rows = await world.agents(profile());
      if (json) return print(rows);
      world.out(
        table(
          ['agent', 'model', 'workspace', ''],
          rows.map(({ id, model, workspace, isDefault }) => [id, model, workspace, isDefault ? 'default' : '']),
        ),
      );
    });

  agents
    .command('add [name]')
    .description('Add an agent with a workspace of its own')
    .option('--workspace <dir>', 'its workspace')
    .option('--model <id>', 'its model')
    .option('--agent-dir <dir>', 'accepted for compatibility')
    .option('--bind <binding...>', 'accepted for compatibility')
    .option('--non-interactive', 'accepted for compatibility: nothing is asked')
    .option('--json', 'as JSON')
    .action(async (name: string | undefined, { workspace, model, json }: AddFlags) => {
      const id = (name ?? '').toLowerCase();
      if (!AGENT_ID.test(id))
        throw new CliError('an agent needs a name of small letters, digits, - and _, like: clawdbot agents add research --workspace ~/research');
      if (workspace === undefined) throw new CliError('--workspace is needed: two agents should not share one by accident');
      const { list, config } = await written();
      if (agentIds(config).includes(id)) throw new CliError(`there is an agent "${id}" already. See: clawdbot agents list`);
      const before = list.length > 0 ? list : [{ id: defaultAgentId(config), default: true }];
      await setList([...before, { id, workspace, ...(model !== undefined && { model }) }]);
      if (json) print({ agentId: id, workspace });
      else world.out(`Added ${id}, working in ${workspace}. Give it an order with: clawdbot agent --agent ${id} -m "hello"\n`);
    });

  agents
    .command('delete <id>')
    .description('Take an agent off the list. Its workspace and sessions stay')
    .option('--force', 'accepted for compatibility: nothing is deleted')
    .option('--json', 'as JSON')
    .action(async (id: string, { json }: { json?: boolean }) => {
      const { list } = await written();
      const rest = list.filter((agent) => agent.id !== id);
      if (rest.length === list.length) throw new CliError(`there is no agent "${id}" in the list. See: clawdbot agents list`);
      if (rest.length === 0) throw new CliError(`"${id}" is the only agent: add another one first`);
      await setList(rest);
      if (json) print({ agentId: id, removed: true });
      else world.out(`Removed ${id}. Its workspace and its sessions are kept.\n`);
    });

  agents
    .command('set-identity')
    .description('Name and avatar of an agent')
    .option('--agent <id>', 'agent id')
    .option('--name <name>', 'name')
    .option('--theme <theme>', 'theme')
    .option('--emoji <emoji>', 'emoji')
    .option('--avatar <value>', 'path in the workspace, address or data URI')
    .option('--json', 'as JSON')
    .action(async ({ agent, json, ...identity }: IdentityFlags) => {
      const { list, config } = await written();
      const id = agent ?? defaultAgentId(config);
      if (!agentIds(config).includes(id)) throw new CliError(`there is no agent "${id}". See: clawdbot agents list`);
      if (Object.keys(identity).length === 0) throw new CliError('give at least one of --name, --theme, --emoji, --avatar');
      const before: readonly AgentEntry[] = list.length > 0 ? list : [{ id, default: true }];
      const next = before.map((entry) => (entry.id === id ? { ...entry, identity: { ...(entry['identity'] as object | undefined), ...identity } } : entry)); // an object by the schema
      await setList(next);
      if (json) print({ agentId: id, identity });
      else world.out(`Updated the identity of ${id}.\n`);
    });
}
