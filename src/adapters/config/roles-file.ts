// roles.json5: the section `team` of the configuration in a file of its own, out of every agent's reach.
// One that cannot be used changes nothing: the policy that was in force before it goes on.

import { copyFileSync, existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ConfigFinding } from '../../domain/config-schema.ts';
import { TeamSchema } from '../../domain/team-schema.ts';
import { messageOf } from '../../kit/fault.ts';
import { evaluateConfig, readText } from './read.ts';

const ROLES_FILE = 'roles.json5';

export function rolesPath(configPath: string): string {
  return join(dirname(configPath), ROLES_FILE);
}

interface ReadTeam {
  /** The section as written, or undefined where there is none. */
  readonly team: unknown;
  readonly warnings: readonly ConfigFinding[];
}

/** The team as its file says, or as it last said when the file cannot be used. */
export function readTeam(configPath: string): ReadTeam {
  const path = rolesPath(configPath);
  try {
    return { team: teamIn(path), warnings: [] };
  } catch (error) {
    const warnings = [{ path: ROLES_FILE, message: `${messageOf(error)}. The policy that held before goes on` }];
    try {
      return { team: teamIn(keptPath(configPath)), warnings };
    } catch {
      return { team: undefined, warnings };
    }
  }
}

/** Keeps a copy of a file that runs, for the day on which it does not. */
export function keepTeam(configPath: string): void {
  const path = rolesPath(configPath);
  if (!existsSync(path) || readTeam(configPath).warnings.length > 0 || readText(path) === readText(keptPath(configPath))) return;
  copyFileSync(path, keptPath(configPath));
}

function keptPath(configPath: string): string {
  return join(dirname(configPath), 'config', 'roles-last-good.json5');
}

/** @throws Error that says what is wrong */
function teamIn(path: string): unknown {
  const text = readText(path);
  if (text === undefined) return undefined;
  const written = evaluateConfig(text, path, {});
  const parsed = TeamSchema.safeParse(written);
  if (parsed.success) return written;
  const [issue] = parsed.error.issues;
  throw new Error(`${path}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not valid'}`);
}
