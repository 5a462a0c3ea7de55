// Every secret the gateway holds: those it checks, those it hands to workers, and the list that the scrubber masks.

import { ownToken, storedSecret } from '../adapters/config/secrets.ts';
import { type Config, secretsIn, variablesIn } from '../domain/config.ts';
import type { SharedSecrets } from '../doors/auth.ts';
import { type Environment, providerKeysIn } from './environment.ts';
import { guarded } from './state.ts';

export interface Secrets {
  /** What clients show to enter. */
  readonly shared: SharedSecrets;
  /** Device tokens are derived from it. */
  readonly devices: string;
  /** API keys by provider, from the environment and the file's env section. */
  readonly providerKeys: Readonly<Record<string, string>>;
  readonly all: readonly string[];
}

/** Reads them, and makes the gateway's own at the first start. @throws CannotRun */
export function gatherSecrets(config: Config, { stateDir, token: givenToken, password: givenPassword, variables }: Environment): Secrets {
  const { mode, token: writtenToken, password: writtenPassword } = config.gateway.auth;
  const token = givenToken ?? writtenToken ?? guarded('make a token', () => ownToken(stateDir));
  const password = givenPassword ?? writtenPassword;
  const devices = guarded('make a secret', () => storedSecret(stateDir, 'device-secret'));
  const providerKeys = providerKeysIn({ ...variablesIn(config), ...variables });
  const channelTokens = ['SLACK_BOT_TOKEN', 'SLACK_APP_TOKEN'].flatMap((name) => variables[name] ?? []);
  const all = [...secretsIn(config), token, devices, ...(password ? [password] : []), ...Object.values(providerKeys), ...channelTokens];
  return { shared: { mode, token, password }, devices, providerKeys, all };
}
