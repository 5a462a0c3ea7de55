// How far the gateway has taken over each part of a workspace: kept in the store, decided by people.

import { type Phase, type Phases, phasesFrom, type WorkspacePart } from '../../domain/phase.ts';
import { type OpSteps, txOp } from '../../ports/store.ts';
import { readSetting, writeSetting } from '../settings/ops.ts';

interface Choice {
  readonly workspaceId: string;
  readonly actor: string;
  readonly chosen: Readonly<Partial<Record<WorkspacePart, Phase>>>;
  /** What holds where nobody has chosen: agents of old are at work there already. */
  readonly hasTraffic: boolean;
}

/** The phases with what is chosen now. What nobody ever chose is settled by what the workspace looks like when it is first seen. */
export const choosePhases = txOp('workspace.phases', function* (tx, { workspaceId, actor, chosen, hasTraffic }: Choice): OpSteps<Phases> {
  const before = yield* readSetting(tx, { workspaceId, name: 'phases' });
  const phases = { ...phasesFrom(before, hasTraffic), ...chosen };
  if (JSON.stringify(before) !== JSON.stringify(phases)) yield* writeSetting(tx, { workspaceId, name: 'phases', value: phases, actor });
  return phases;
});
