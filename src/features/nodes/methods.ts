// Asking who serves this store.

import { z } from 'zod';
import { method } from '../../ports/method.ts';
import { type ClusterView, viewCluster } from './ops.ts';

export const clusterStatus = method({
  name: 'cluster.status',
  scope: 'operator.read',
  about:
    'The nodes of the store (gateways and distant workers, those that ended within the hour too), the leases they hold, and how far this node lags behind.',
  input: z.strictObject({}),
  output: z.object({ engine: z.string(), cursor: z.number(), lag: z.number(), cluster: z.custom<ClusterView>() }),
  run: async ({ store, workspaceId, gateway }) => {
    const { leases, ...rest } = await store.call(viewCluster, {});
    const cluster = { ...rest, leases: leases.filter((lease) => lease.workspaceId === workspaceId) };
    const cursor = gateway.cursor();
    return { engine: gateway.engine, cursor, lag: Math.max(0, cluster.head - cursor), cluster };
  },
});
