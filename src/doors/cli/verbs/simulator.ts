// clawdbot simulator: a model, or a Slack, to try the gateway with, without any key.

import type { Command } from 'commander';
import { CliError, type VerbContext } from '../verb.ts';

const DEFAULT_SLACK_PORT = 18_801;

export function addSimulatorVerbs(program: Command, { world }: VerbContext, setExit: (code: number) => void): void {
  const simulator = program
    .command('simulator')
    .description('Speak for a model without any key: a local server that answers from a scenario file')
    .option('--port <port>', 'port to listen on', '18800')
    .option('--scenario <file>', 'scenario file (JSON5)')
    .action(async ({ port, scenario }: { port: string; scenario?: string }) => {
      setExit(await world.runSimulator({ port: Number(port), scenario, onReady: (url) => world.out(simulatorHelp(url)) }));
    });
  simulator
    .command('slack')
    .description('A Slack without Slack: what you type is said by the owner in his direct messages, or in a channel as "#C0TEAM000 text"')
    .option('--owner <id>', 'id of the one who types', 'U0OWNER00')
    .action(async (_flags, command: Command) => {
      const { port, owner } = command.optsWithGlobals<{ port: string; owner: string }>();
      // The port stands with the verb above; a model and a Slack may run side by side.
      const wanted = command.parent?.getOptionValueSource('port') === 'default' ? DEFAULT_SLACK_PORT : Number(port);
      if (!Number.isInteger(wanted)) throw new CliError('--port takes a number');
      const onSaid = (channel: string, text: string, isEdit: boolean) => world.out(`${channel} ${isEdit ? '~' : '>'} ${text.replaceAll('\n', '\n    ')}\n`);
      setExit(await world.runSlackSimulator({ port: wanted, owner, onSaid, onReady: (url) => world.out(slackHelp(url, owner)) }));
    });
}

function slackHelp(url: string, owner: string): string {
  return `A simulated Slack answers at ${url}. To use it, put this into ~/.clawdbot/clawdbot.json:

  channels: { slack: { apiUrl: "${url}", botToken: "xoxb-simulated", appToken: "xapp-simulated", owner: "${owner}", channels: { "*": {} } } }

Type what the owner says; Ctrl-C ends.
`;
}

function simulatorHelp(url: string): string {
  return `The simulator answers at ${url} (Messages API and chat completions).
To let the gateway use it, put this into clawdbot.json:

  models: { providers: { simulator: { baseUrl: "${url}", api: "anthropic-messages", apiKey: "none" } } },
  agents: { defaults: { model: "simulator/any" } },

Stop it with Ctrl-C.
`;
}
