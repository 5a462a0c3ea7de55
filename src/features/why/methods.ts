// Asking why.

import { z } from 'zod';
import { fault } from '../../domain/fault-codes.ts';
import type { Why } from '../../domain/why.ts';
import { method } from '../../ports/method.ts';
import { explain } from './ops.ts';

export const whyMethod = method({
  name: 'why',
  scope: 'operator.read',
  about:
    'Why a run, session, spawn, job, task or message stands where it stands: state, owner, what it waits for since when, last progress, next step and its time.',
  input: z.strictObject({ id: z.string().min(1).max(512).describe('Any id, key, name or label.') }),
  output: z.object({ why: z.custom<Why>() }),
  run: async ({ store, workspaceId }, { id }) => {
    const why = await store.call(explain, { workspaceId, id });
    if (!why) throw fault('why.unknown', { id });
    return { why };
  },
});
