// Secrets of this gateway by name: made once, 256 bit, mode 0600, under credentials/ of the state.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { newSecret } from '../../kit/id.ts';
import { writeWhole } from '../../kit/write-whole.ts';
import { readText } from './read.ts';

const secretPath = (stateDir: string, name: string) => join(stateDir, 'credentials', name);
const TOKEN = 'gateway-token';

export function storedSecret(stateDir: string, name: string): string {
  const path = secretPath(stateDir, name);
  if (existsSync(path)) return readFileSync(path, 'utf8').trim();
  const secret = newSecret(32);
  writeWhole(path, `${secret}\n`);
  return secret;
}

/** The gateway's token when the configuration names none. */
export function ownToken(stateDir: string): string {
  return storedSecret(stateDir, TOKEN);
}

/** The token a client on this machine uses, if there is one. Reads only. */
export function existingToken(stateDir: string): string | undefined {
  return readText(secretPath(stateDir, TOKEN))?.trim();
}

/** The token that a service was installed with. It goes before that of the configuration. */
export function serviceTokenPath(stateDir: string): string {
  return secretPath(stateDir, 'service-token');
}

export function serviceToken(stateDir: string): string | undefined {
  return readText(serviceTokenPath(stateDir))?.trim();
}
