// PostgreSQL passes the suite, and some things only several nodes on one database can go through.

import { after, describe, type TestContext } from 'node:test';
import { storeOver } from '../../../src/adapters/store/engine.ts';
import { openPostgres } from '../../../src/adapters/store/postgres/engine.ts';
import type { SealedEvent } from '../../../src/domain/event.ts';
import { followEvents, sealEvents } from '../../../src/features/events/ops.ts';
import { ops } from '../../../src/features/ops-catalog.ts';
import { systemClock } from '../../../src/kit/clock.ts';
import { startPostgres } from '../../support/postgres.ts';
import { storeChannelConformance } from './channels.ts';
import { storeDoorsConformance } from './doors.ts';
import { storeOrchestrationConformance } from './orchestration.ts';
import { storePlanningConformance } from './planning.ts';
import { type OpenedStore, storeConformance } from './suite.ts';
import { storeTeamConformance } from './team.ts';
import { storeTrustConformance } from './trust.ts';

const server = await startPostgres();
after(() => server?.stop());

const engineOn = (url: string, events: SealedEvent[], ahead: () => number) =>
  openPostgres({ url, ops, seal: sealEvents, follow: followEvents, clock: systemClock, ahead, onCommitted: (sealed) => void events.push(...sealed) });

/** A database with the tables, to make the others like it. */
const model = await server?.createDatabase();
if (model !== undefined) await (await engineOn(model, [], () => 0)).close();

async function open(t: TestContext): Promise<OpenedStore> {
  const events: SealedEvent[] = [];
  let ahead = 0;
  const engine = await engineOn((await server?.createDatabase(model)) ?? '', events, () => ahead);
  t.after(() => engine.close());
  return {
    store: storeOver(engine),
    events: () => events,
    advance: (ms) => {
      ahead += ms;
    },
  };
}

if (server)
  describe('postgres', () => {
    storeConformance('postgres', open);
    storeDoorsConformance('postgres', open);
    storeOrchestrationConformance('postgres', open);
    storeTeamConformance('postgres', open);
    storeTrustConformance('postgres', open);
    storePlanningConformance('postgres', open);
    storeChannelConformance('postgres', open);
  });
