// Voice settings that clients share through the gateway.

import { z } from 'zod';
import { method } from '../../ports/method.ts';
import { getSetting, putSetting } from './ops.ts';

const DEFAULT_TRIGGERS = ['clawd', 'claude', 'computer'];
const Triggers = z.object({ triggers: z.array(z.string()) });

export const voicewakeGet = method({
  name: 'voicewake.get',
  scope: 'operator.read',
  about: 'The words that wake a listening device.',
  input: z.strictObject({}),
  output: Triggers,
  run: async ({ store, workspaceId }) => {
    const stored = z.array(z.string()).safeParse(await store.call(getSetting, { workspaceId, name: 'voicewake' }));
    return { triggers: stored.success ? stored.data : DEFAULT_TRIGGERS };
  },
});

export const voicewakeSet = method({
  name: 'voicewake.set',
  scope: 'operator.write',
  about: 'Sets the words that wake a listening device, for all of them. An empty list brings the defaults back.',
  input: z.strictObject({ triggers: z.array(z.string().trim().max(64)).max(32) }),
  output: Triggers,
  run: async ({ store, workspaceId, principal }, input) => {
    const words = [...new Set(input.triggers.filter((word) => word !== ''))];
    const triggers = words.length > 0 ? words : DEFAULT_TRIGGERS;
    await store.call(putSetting, { workspaceId, name: 'voicewake', value: triggers, actor: principal.actor });
    return { triggers };
  },
});

export const talkMode = method({
  name: 'talk.mode',
  scope: 'operator.write',
  about: 'Tells every client whether talk mode is on, and in which phase.',
  input: z.strictObject({ enabled: z.boolean(), phase: z.string().max(64).optional() }),
  output: z.object({ enabled: z.boolean(), phase: z.string().nullable(), ts: z.number() }),
  run: async ({ store, workspaceId, principal, clock }, { enabled, phase = null }) => {
    const value = { enabled, phase, ts: clock.now() };
    await store.call(putSetting, { workspaceId, name: 'talk', value, actor: principal.actor });
    return value;
  },
});
