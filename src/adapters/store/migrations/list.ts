// Every change of the tables, in order. Both engines carry out the same statements.

import { heart } from './0001-heart.ts';
import { doors } from './0002-doors.ts';
import { orchestration } from './0003-orchestration.ts';
import { cluster } from './0004-cluster.ts';
import { team } from './0005-team.ts';
import { trust } from './0006-trust.ts';
import { plans } from './0007-plans.ts';
import { channels } from './0008-channels.ts';

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly statements: readonly string[];
}

export const MIGRATIONS: readonly Migration[] = [heart, doors, orchestration, cluster, team, trust, plans, channels];

export const SCHEMA_VERSION = MIGRATIONS.at(-1)?.version ?? 0;
