// Looking at the configuration and changing it. A change is checked, written, kept as a revision and takes effect at once.

import { z } from 'zod';
import { redactConfig } from '../../domain/config.ts';
import { parsePath } from '../../domain/config-path.ts';
import { ConfigSchema } from '../../domain/config-schema.ts';
import { fault } from '../../domain/fault-codes.ts';
import type { ConfigChange, ConfigRevision, ConfigWritten } from '../../ports/config-file.ts';
import { type MethodContext, method } from '../../ports/method.ts';

const Payload = z.record(z.string(), z.unknown());
const Raw = z.string().max(4 * 1024 * 1024);
const baseHash = z.string().optional().describe('The hash config.get told: a file that changed since is not written.');
const allowRemoval = z.boolean().optional().describe('Needed when the write removes a credential or more than a tenth of the keys.');

export const configGet = method({
  name: 'config.get',
  scope: 'operator.admin',
  about: 'The configuration that runs, with its file, hash and findings. Credentials are masked.',
  input: z.strictObject({}),
  output: Payload,
  run: async ({ gateway }) => {
    const { path, raw, hash, parsed, config, source, issues, warnings } = gateway.config();
    return {
      path,
      exists: raw !== undefined,
      raw: gateway.configFile.masked() ?? null,
      parsed: redactConfig(parsed ?? {}),
      valid: issues.length === 0,
      config: redactConfig(config),
      hash: hash ?? null,
      source,
      issues,
      warnings,
      legacyIssues: [],
    };
  },
});

interface Write {
  readonly baseHash?: string | undefined;
  readonly note?: string | undefined;
  readonly allowRemoval?: boolean | undefined;
}

function write({ gateway, principal }: MethodContext, change: ConfigChange, { baseHash: base, note, allowRemoval: removal }: Write): ConfigWritten {
  return gateway.configFile.write(change, { actor: principal.actor, baseHash: base, note, allowRemoval: removal });
}

/** Existing clients must say what they change: a write over an existing file needs the hash. */
function checkBase({ gateway }: MethodContext, hash: string | undefined): void {
  if (gateway.config().raw !== undefined && hash === undefined) throw fault('config.base_missing');
}

function answer({ loaded, changed, needsRestart, revision }: ConfigWritten) {
  return { ok: true, path: loaded.path, config: redactConfig(loaded.config), hash: loaded.hash, changed, needsRestart, revision };
}

/** What clients of the original expect of a write that restarted it. Ours goes on; it tells what waits for the next start. */
function answerWithRestart(written: ConfigWritten) {
  const { path, needsRestart } = { path: written.loaded.path, ...written };
  return { ...answer(written), restart: { ok: true, scheduled: false, needed: needsRestart.length > 0 }, sentinel: { path, payload: null } };
}

export const configSet = method({
  name: 'config.set',
  scope: 'operator.admin',
  about: 'Writes the whole file. Masked credentials in it stay what they were.',
  input: z.strictObject({ raw: Raw, baseHash, allowRemoval }),
  output: Payload,
  run: async (context, { raw, ...options }) => {
    checkBase(context, options.baseHash);
    return answer(write(context, { kind: 'replace', raw }, options));
  },
});

const Restarting = {
  raw: Raw,
  baseHash,
  sessionKey: z.string().optional(),
  note: z.string().max(1000).optional().describe('Kept with the revision.'),
  restartDelayMs: z.int().min(0).optional(),
};

export const configApply = method({
  name: 'config.apply',
  scope: 'operator.admin',
  about: 'Writes the whole file like config.set. It takes effect without a restart.',
  input: z.strictObject({ ...Restarting, allowRemoval }),
  output: Payload,
  run: async (context, { raw, ...options }) => {
    checkBase(context, options.baseHash);
    return answerWithRestart(write(context, { kind: 'replace', raw }, options));
  },
});

export const configPatch = method({
  name: 'config.patch',
  scope: 'operator.admin',
  about: 'Changes the keys of a JSON merge patch; null removes a key. Everything else in the file stays as it is.',
  input: z.strictObject(Restarting),
  output: Payload,
  run: async (context, { raw, ...options }) => {
    checkBase(context, options.baseHash);
    return answerWithRestart(write(context, { kind: 'merge', patch: readPatch(raw) }, options));
  },
});

function readPatch(raw: string): Readonly<Record<string, unknown>> {
  let patch: unknown;
  try {
    patch = JSON.parse(raw);
  } catch {
    throw fault('request.refused', { reason: 'config.patch raw must be a JSON object' });
  }
  if (patch === null || typeof patch !== 'object' || Array.isArray(patch)) throw fault('request.refused', { reason: 'config.patch raw must be an object' });
  return patch as Record<string, unknown>; // checked above
}

export const configEdit = method({
  name: 'config.edit',
  scope: 'operator.admin',
  about: 'Sets one key, or removes it when no value is given. Everything else in the file stays as it is, byte for byte.',
  input: z.strictObject({ path: z.string().min(1).max(500).describe('gateway.port, agents.list[0].id, …'), value: z.unknown().optional(), baseHash }),
  output: Payload,
  run: async (context, { path: written, value, ...options }) => {
    const path = parsePath(written);
    return answer(write(context, value === undefined ? { kind: 'unset', path } : { kind: 'set', path, value }, options));
  },
});

export const configHistory = method({
  name: 'config.history',
  scope: 'operator.admin',
  about: 'The revisions of the file that are kept: when, by whom, what changed. The newest is last.',
  input: z.strictObject({}),
  output: z.object({ revisions: z.array(z.custom<ConfigRevision>()) }),
  run: async ({ gateway }) => ({ revisions: [...gateway.configFile.revisions()] }),
});

export const configUndo = method({
  name: 'config.undo',
  scope: 'operator.admin',
  about: 'Puts an earlier revision back; without one, the state before the last write. This is a revision of its own.',
  input: z.strictObject({ revision: z.string().min(1).max(64).optional() }),
  output: Payload,
  run: async (context, { revision }) => answer(write(context, { kind: 'undo', ...(revision !== undefined && { revision }) }, {})),
});

export const configSchema = method({
  name: 'config.schema',
  scope: 'operator.admin',
  about: 'The JSON Schema of the configuration file.',
  input: z.strictObject({}),
  output: Payload,
  run: async ({ gateway, clock }) => ({
    schema: z.toJSONSchema(ConfigSchema, { io: 'input', unrepresentable: 'any' }),
    uiHints: {},
    version: gateway.version,
    generatedAt: new Date(clock.now()).toISOString(),
  }),
});
