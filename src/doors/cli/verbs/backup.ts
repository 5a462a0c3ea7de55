// clawdbot backup: create, list, verify, restore.

import type { Command } from 'commander';
import type { Backup } from '../../../domain/backup.ts';
import { messageOf } from '../../../kit/fault.ts';
import { age, table } from '../text.ts';
import { CliError, type VerbContext } from '../verb.ts';
import type { BackupControl } from '../world.ts';

const size = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

export function addBackupVerbs(program: Command, { world, profile, print }: VerbContext): void {
  const backup = program.command('backup').description('Copies of the store, the configuration and the policy, tried out when they are made');
  const act = async <T>(run: (backups: BackupControl) => Promise<T>): Promise<T> => {
    try {
      return await run(await world.backups(profile()));
    } catch (error) {
      throw new CliError(messageOf(error));
    }
  };
  const verb = (usage: string, about: string) => backup.command(usage).description(about).option('--json', 'as JSON');
  verb('create', 'Make one now, also while the gateway runs')
    .option('--out <folder>', 'another folder than the usual one')
    .action(async ({ out, json }: { out?: string; json?: boolean }) => {
      const made = await act((backups) => backups.create(out));
      if (json) print(made);
      else world.out(`${made.id}: ${made.files} files, ${size(made.bytes)}, tried out\n${made.path}\n`);
    });
  verb('list', 'What there is, the latest first').action(async ({ json }: { json?: boolean }) => {
    const { dir, all } = await act(async (backups) => ({ dir: backups.dir, all: await backups.list() }));
    if (json) return print({ dir, backups: all });
    const row = ({ id, createdAt, engine, files, bytes }: Backup) => [id, age(world.now() - createdAt), engine, String(files), size(bytes)];
    world.out(all.length > 0 ? table(['id', 'made', 'store', 'files', 'size'], all.map(row)) : `No backup in ${dir}.\n`);
  });
  verb('verify [id]', 'Unpack one somewhere else and open what is in it; without an id the latest').action(
    async (id: string | undefined, { json }: { json?: boolean }) => {
      const verified = await act((backups) => backups.verify(id ?? 'latest'));
      if (json) print({ ok: true, backup: verified });
      else world.out(`${verified.id} can be restored\n`);
    },
  );
  verb(
    'restore <id>',
    'Put one back (an id, a path, or latest): the gateway is stopped and started, and everything is as before if it does not come up',
  ).action(async (id: string, { json }: { json?: boolean }) => {
    const { backup: restored, keptAt, notes } = await act((backups) => backups.restore(id));
    if (json) return print({ ok: true, backup: restored, keptAt, notes });
    world.out(`${restored.id} is restored. What was there before is kept at ${keptAt}\n${notes.map((note) => `${note}\n`).join('')}`);
  });
}
