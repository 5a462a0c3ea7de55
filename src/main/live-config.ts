// The configuration while the gateway runs: the file, what follows from it at once (secrets, scrubber), and who is told of changes.

import { openConfigFile } from '../adapters/config/file.ts';
import type { Config, LoadedConfig } from '../domain/config.ts';
import type { Clock } from '../kit/clock.ts';
import type { Log } from '../kit/log.ts';
import { createScrub, type Scrub } from '../kit/scrub.ts';
import type { Environment } from './environment.ts';
import { gatherSecrets, type Secrets } from './secrets.ts';
import { guarded } from './state.ts';

type Change = (now: LoadedConfig, before: LoadedConfig, changed: readonly string[]) => void;

export type LiveConfig = ReturnType<typeof openLiveConfig>;

/** @throws CannotRun */
export function openLiveConfig(environment: Environment, clock: Clock) {
  const { configPath: path, stateDir, variables } = environment;
  let tell: Change = () => undefined;
  let tellRejected: (now: LoadedConfig) => void = () => undefined;
  const file = guarded('read the configuration', () =>
    openConfigFile({
      path,
      stateDir,
      variables,
      clock,
      onChanged: (now, before, changed) => {
        adopt(now.config);
        tell(now, before, changed);
      },
      onRejected: (now) => tellRejected(now),
    }),
  );
  const everKnown = new Set<string>();
  let secrets: Secrets;
  let scrub: Scrub;
  const adopt = (config: Config) => {
    secrets = gatherSecrets(config, environment);
    for (const secret of secrets.all) everKnown.add(secret); // one that was replaced is still none of anybody's business
    scrub = createScrub(
      [...everKnown],
      config.logging.redactPatterns.map((source) => new RegExp(source, 'g')),
    );
  };
  adopt(file.current().config);
  return {
    file,
    current: file.current,
    config: (): Config => file.current().config,
    secrets: () => secrets,
    scrub: (text: string) => scrub(text),
    /** Told after every change, whoever made it; and of edits by hand that do not run. */
    follow: (onChange: Change, onRejected: (now: LoadedConfig) => void) => {
      tell = onChange;
      tellRejected = onRejected;
    },
  };
}

export function reportConfig(log: Log, { source, issues, warnings }: LoadedConfig): void {
  const running = source === 'defaults' ? 'the defaults' : 'its last good revision';
  for (const { path, message } of issues) log.warn({ path, problem: message }, `the configuration file is not valid; the gateway runs ${running}`);
  for (const { path, message } of warnings) log.info({ path, problem: message }, 'configuration');
}
