// What all verbs share: their context, the connection flags, errors with exit codes.

import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import JSON5 from 'json5';
import { messageOf } from '../../kit/fault.ts';
import type { GatewayClient } from './client.ts';
import type { CliWorld, Profile } from './world.ts';

/** Thrown by verbs: the message goes to stderr as it is, the code is the exit code. */
export class CliError extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

export interface ConnectFlags {
  readonly url?: string;
  readonly token?: string;
  readonly password?: string;
  readonly timeout?: string;
}

/** What a verb gets: the world, and a connection made on demand. */
export interface VerbContext {
  readonly world: CliWorld;
  readonly profile: () => Profile;
  readonly withGateway: <T>(flags: ConnectFlags, use: (client: GatewayClient) => Promise<T>, onEvent?: (event: string, payload: unknown) => void) => Promise<T>;
  readonly print: (value: unknown) => void;
}

export const DEFAULT_TIMEOUT_MS = 10_000;

/** The connection flags that every verb of the gateway's shares. */
export function withConnectFlags(command: Command): Command {
  return command
    .option('--url <url>', 'WebSocket address of the gateway')
    .option('--token <token>', 'gateway token')
    .option('--password <password>', 'gateway password')
    .option('--timeout <ms>', 'longest wait for an answer', String(DEFAULT_TIMEOUT_MS));
}

/** JSON, or JSON5, of a file; `-` is the standard input. @throws CliError */
export function readJsonFile(path: string): unknown {
  try {
    return JSON5.parse(readFileSync(path === '-' ? 0 : path, 'utf8'));
  } catch (error) {
    throw new CliError(`${path} cannot be read as JSON: ${messageOf(error)}`);
  }
}
