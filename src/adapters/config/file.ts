// The configuration file with its changes: checked before they are written, kept as revisions, read back.

import type { LoadedConfig } from '../../domain/config.ts';
import { changedPaths, needsRestart, suspiciousLoss } from '../../domain/config-diff.ts';
import { fault } from '../../domain/fault-codes.ts';
import type { Clock } from '../../kit/clock.ts';
import { isFault, messageOf } from '../../kit/fault.ts';
import { sha256Hex } from '../../kit/id.ts';
import { writeWhole } from '../../kit/write-whole.ts';
import type { ConfigChange, ConfigFile, ConfigWriteOptions } from '../../ports/config-file.ts';
import { editsOfPatch, editText, maskText, parseText, unmaskText } from './edit.ts';
import { type ConfigSource, loadConfig, type ReadConfig, readConfigFile, readConfigText, setAside } from './load.ts';
import { readText } from './read.ts';
import { keepRevision, listRevisions, revisionText } from './revisions.ts';
import { keepTeam } from './roles-file.ts';

interface ConfigFileOptions extends ConfigSource {
  readonly stateDir: string;
  readonly clock: Clock;
  /** After another configuration has taken effect, whoever changed it. */
  readonly onChanged?: (now: LoadedConfig, before: LoadedConfig, changed: readonly string[]) => void;
  /** After an edit by hand that does not run: the running configuration stays. */
  readonly onRejected?: (now: LoadedConfig) => void;
}

/** In place of a text whose credentials cannot be told apart. */
const UNREADABLE = '// The file is not valid JSON5, so its credentials cannot be masked: look at it on the machine itself.\n';

/** Loads the file (see loadConfig) and looks after it from then on. */
export function openConfigFile({ clock, onChanged, onRejected, ...source }: ConfigFileOptions): ConfigFile {
  const { path, stateDir } = source;
  let loaded = loadConfig(source);
  if (loaded.source === 'file') keep(loaded, 'file', []);

  function keep({ raw = '', hash = '' }: Pick<LoadedConfig, 'raw' | 'hash'>, actor: string, changed: readonly string[], note?: string) {
    return keepRevision(stateDir, raw, { at: clock.now(), actor, hash, changed, ...(note !== undefined && { note }) });
  }

  const take = (read: ReadConfig, actor: string, note?: string) => {
    const before = loaded;
    if (!read.config) throw invalid(read);
    const changed = changedPaths(before.parsed, read.parsed);
    loaded = { ...read, config: read.config, source: 'file' };
    const revision = keep(loaded, actor, changed, note);
    if (changed.length > 0 || before.source !== 'file') onChanged?.(loaded, before, changed);
    return { changed, revision };
  };

  const write = (change: ConfigChange, { actor, baseHash, note, allowRemoval = false }: ConfigWriteOptions) => {
    const now = readText(path);
    if (baseHash !== undefined && baseHash !== (now === undefined ? undefined : sha256Hex(now))) throw fault('config.base_stale');
    const text = textAfter(change, now, stateDir);
    if (change.kind === 'replace' && now !== undefined && !allowRemoval) {
      const lost = suspiciousLoss(
        quietly(() => parseText(now)),
        parseText(text),
      );
      if (lost !== undefined) throw fault('config.removal', { lost });
    }
    const read = readConfigText(text, source);
    if (!read.config) throw invalid(read);
    if (now !== undefined && readConfigText(now, source).config) keep({ raw: now, hash: sha256Hex(now) }, 'file', []);
    try {
      writeWhole(path, text);
    } catch (error) {
      throw fault('config.not_written', { reason: messageOf(error) });
    }
    if (readText(path) !== text) throw fault('config.base_stale'); // somebody else wrote at this very moment
    const { changed, revision } = take(read, actor, note ?? (change.kind === 'undo' ? 'undo' : undefined));
    return { loaded, changed, needsRestart: needsRestart(changed), revision: revision.id };
  };

  const refresh = (): boolean => {
    const read = readConfigFile(source);
    if (read.raw === undefined && read.issues.length === 0) return false; // gone: what runs goes on, the next start writes a first one
    if (read.config) {
      keepTeam(path);
      const same = read.hash === loaded.hash && loaded.source === 'file' && changedPaths(loaded.parsed, read.parsed).length === 0;
      if (!same) take(read, 'file');
      return !same;
    }
    if (read.hash === loaded.hash && loaded.issues.length > 0) return false;
    quietly(() => setAside(source, read));
    loaded = { ...loaded, raw: read.raw, hash: read.hash, issues: read.issues, source: loaded.source === 'defaults' ? 'defaults' : 'last-good' };
    onRejected?.(loaded);
    return false;
  };

  const masked = () => {
    const { raw } = loaded;
    return raw === undefined ? undefined : (quietly(() => maskText(raw)) ?? UNREADABLE);
  };
  return { current: () => loaded, masked, write, refresh, revisions: () => listRevisions(stateDir) };
}

function textAfter(change: ConfigChange, now: string | undefined, stateDir: string): string {
  switch (change.kind) {
    case 'replace':
      return unmaskText(change.raw, now === undefined ? undefined : quietly(() => parseText(now)) && now);
    case 'merge':
      return editText(now ?? '', editsOfPatch(parseText(now ?? ''), change.patch));
    case 'set':
      return editText(now ?? '', [{ path: change.path, value: change.value }]);
    case 'unset': {
      const found = change.path.reduce<unknown>((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], parseText(now ?? ''));
      if (found === undefined) throw fault('config.path_unknown', { path: change.path.join('.') });
      return editText(now ?? '', [{ path: change.path, value: undefined }]);
    }
    case 'undo': {
      const kept = listRevisions(stateDir);
      const hash = now === undefined ? undefined : sha256Hex(now);
      const id = change.revision ?? kept.findLast((revision) => revision.hash !== hash)?.id;
      const text = kept.some((revision) => revision.id === id) ? revisionText(stateDir, id ?? '') : undefined;
      if (text === undefined) throw fault('config.revision_unknown', { revision: change.revision ?? 'before this one' });
      return text;
    }
  }
}

function invalid({ issues }: ReadConfig) {
  const [first] = issues;
  return fault('config.invalid', { issues, reason: first ? `${first.path === '' ? '' : `${first.path}: `}${first.message}` : 'the file is empty' });
}

/** Undefined in place of a fault: for what may fail without harm. */
function quietly<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (isFault(error) || error instanceof Error) return undefined;
    throw error;
  }
}
