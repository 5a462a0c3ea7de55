// clawdbot logs: the gateway's log, once or as it grows.

import type { Command } from 'commander';
import type { GatewayClient } from '../client.ts';
import { type ConnectFlags, type VerbContext, withConnectFlags } from '../verb.ts';

interface LogsFlags extends ConnectFlags {
  readonly follow?: boolean;
  readonly limit: string;
  readonly maxBytes: string;
  readonly interval: string;
  readonly json?: boolean;
}

interface Tail {
  readonly file: string;
  readonly cursor: number;
  readonly size: number;
  readonly lines: readonly string[];
}

export function addLogsVerb(program: Command, { world, withGateway }: VerbContext): void {
  withConnectFlags(
    program
      .command('logs')
      .description('The log of the running gateway')
      .option('--follow', 'go on as it grows')
      .option('--limit <n>', 'lines at most', '200')
      .option('--max-bytes <n>', 'bytes at most', '250000')
      .option('--interval <ms>', 'pause between looks with --follow', '1000')
      .option('--plain', 'accepted for compatibility: output has no colours')
      .option('--json', 'one JSON object a line'),
  ).action(async (flags: LogsFlags) => {
    await withGateway(flags, async (client) => {
      let tail = await look(client, flags);
      if (flags.json) world.out(`${JSON.stringify({ type: 'meta', file: tail.file, cursor: tail.cursor, size: tail.size })}\n`);
      for (;;) {
        for (const line of tail.lines) world.out(`${flags.json ? JSON.stringify(toRecord(line)) : toText(line)}\n`);
        if (!flags.follow) return;
        await new Promise((resolve) => setTimeout(resolve, Number(flags.interval)));
        tail = await look(client, flags, tail.cursor);
      }
    });
  });
}

async function look(client: GatewayClient, { limit, maxBytes }: LogsFlags, cursor?: number): Promise<Tail> {
  return (await client.call('logs.tail', { limit: Number(limit), maxBytes: Number(maxBytes), ...(cursor !== undefined && { cursor }) })) as Tail; // the shape of logs/methods
}

function parse(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return JSON.parse(line) as Record<string, unknown>; // a pino line
  } catch {
    return undefined;
  }
}

function toRecord(line: string) {
  const record = parse(line);
  return record ? { type: 'log', time: record['time'], level: record['level'], message: record['message'], raw: line } : { type: 'raw', raw: line };
}

function toText(line: string): string {
  const record = parse(line);
  if (!record) return line;
  const { time, level, message, ...fields } = record;
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return [time, String(level).toUpperCase(), message, ...rest].join(' ');
}
