// clawdbot backup: made while the gateway runs, tried out, put back with a way back.

import { join } from 'node:path';
import { checkBackup, createBackup, restoreBackup, undoCutOff } from '../../adapters/backup/backups.ts';
import { backupNamed, listBackups, removeBackups } from '../../adapters/backup/folder.ts';
import { usableConfig } from '../../adapters/config/load.ts';
import { SCHEMA_VERSION } from '../../adapters/store/migrations/list.ts';
import { outdated } from '../../domain/backup.ts';
import type { BackupControl, ServiceControl } from '../../doors/cli/world.ts';
import { systemClock } from '../../kit/clock.ts';
import { messageOf } from '../../kit/fault.ts';
import { type Environment, expandHome } from '../environment.ts';
import { VERSION } from '../version.ts';

export function createBackups(environment: Environment, service: () => Promise<ServiceControl>): BackupControl {
  const { stateDir, configPath, variables, home } = environment;
  const { backups, store } = usableConfig({ path: configPath, variables });
  const dir = backups.dir === undefined ? join(stateDir, 'backups') : expandHome(backups.dir, home);
  const installed = { stateDir, configPath, url: store.url, version: VERSION, schema: SCHEMA_VERSION };
  return {
    dir,
    create: async (out) => {
      const made = await createBackup(out ?? dir, installed, systemClock.now());
      if (out === undefined) removeBackups(dir, outdated(listBackups(dir), backups.keep), systemClock.now());
      return made;
    },
    list: async () => listBackups(dir),
    verify: async (name) => {
      const backup = backupNamed(dir, name);
      await checkBackup(backup.path);
      return backup;
    },
    restore: async (name) => {
      const notes: string[] = [];
      const backup = backupNamed(dir, name);
      const kept = await service();
      const { manager } = await kept.state();
      if (await undoCutOff(installed)) notes.push('a restore that was cut off before is undone');
      if (manager === 'foreground') throw new Error('a gateway runs in the foreground: stop it first, and start it again when this is done');
      const wasKept = manager === 'systemd' || manager === 'background';
      await checkBackup(backup.path);
      if (wasKept) await kept.stop();
      const { keptAt, rollBack } = await restoreBackup(backup, dir, installed, systemClock.now()).catch(async (error: unknown) => {
        if (wasKept) await kept.start();
        throw new Error(`nothing was changed: ${messageOf(error)}`);
      });
      if (wasKept) {
        try {
          await kept.start();
        } catch (error) {
          await kept.stop().catch(() => undefined);
          await rollBack();
          await kept.start();
          throw new Error(`the restored installation did not come up (${messageOf(error)}): everything is as it was before, and runs`);
        }
      } else notes.push('start the gateway with: clawdbot gateway');
      return { backup, keptAt, notes };
    },
  };
}
