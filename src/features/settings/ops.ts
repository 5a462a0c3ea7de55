// Small durable facts by name that no table of their own holds: heartbeats on or off, wake words, talk mode.

import type { Config } from '../../domain/config.ts';
import { type OpSteps, readOp, statement, type Tx, txOp } from '../../ports/store.ts';
import { appendEvent } from '../events/ops.ts';

export type SettingName = 'heartbeats' | 'voicewake' | 'talk' | 'speech' | 'published' | 'boxes' | 'phases' | 'degraded' | `heartbeat:${string}`;

interface Named {
  readonly workspaceId: string;
  readonly name: SettingName;
}

const settingByName = statement<Named>()((db, p) =>
  db.selectFrom('setting').select('value').where('workspace_id', '=', p.workspaceId).where('name', '=', p.name),
);
const upsertSetting = statement<Named & { value: string; now: number }>()((db, p) =>
  db
    .insertInto('setting')
    .values({ name: p.name, workspace_id: p.workspaceId, value: p.value, updated_at: p.now })
    .onConflict((clash) => clash.columns(['workspace_id', 'name']).doUpdateSet({ value: p.value, updated_at: p.now })),
);

/** The value as JSON, or undefined when it was never set. */
export function* readSetting(tx: Tx, named: Named): OpSteps<unknown> {
  const row = yield* tx.one(settingByName, named);
  return row ? JSON.parse(row.value) : undefined;
}

export const getSetting = readOp('settings.get', function* (tx, named: Named): OpSteps<unknown> {
  return (yield* readSetting(tx, named)) ?? null;
});

interface NewValue extends Named {
  readonly actor: string;
  readonly value: unknown;
}

export const putSetting = txOp('settings.put', function* (tx, setting: NewValue): OpSteps<void> {
  yield* writeSetting(tx, setting);
});

/** What workers elsewhere must know of a gateway's files. */
export interface Published {
  /** Without credentials. */
  readonly config: Config;
  /** The owner's standing permissions for commands, as their file holds them. */
  readonly execApprovals: string;
}

/** Not an event: clients ask their gateway. */
export const publishFiles = txOp('settings.publish', function* (tx, { workspaceId, value }: { workspaceId: string; value: Published }): OpSteps<void> {
  yield* tx.run(upsertSetting, { workspaceId, name: 'published', value: JSON.stringify(value), now: tx.now });
});

/** The same, as a part of another op. */
export function* writeSetting(tx: Tx, { actor, value, ...named }: NewValue): OpSteps<void> {
  yield* tx.run(upsertSetting, { ...named, value: JSON.stringify(value), now: tx.now });
  yield* appendEvent(tx, {
    workspaceId: named.workspaceId,
    stream: `setting:${named.name}`,
    actor,
    body: { kind: 'setting.changed', name: named.name, value },
  });
}
