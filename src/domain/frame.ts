// Frames of WebSocket protocol 3. Strict: clients drop a frame that carries one field too many.

import { z } from 'zod';

export const RequestFrame = z.strictObject({
  type: z.literal('req'),
  id: z.string().min(1),
  method: z.string().min(1),
  params: z.unknown().optional(),
});

const CLIENT_IDS = [
  'webchat-ui',
  'clawdbot-control-ui',
  'moltbot-control-ui',
  'webchat',
  'cli',
  'gateway-client',
  'clawdbot-macos',
  'clawdbot-ios',
  'clawdbot-android',
  'moltbot-macos',
  'moltbot-ios',
  'moltbot-android',
  'node-host',
  'test',
  'fingerprint',
  'clawdbot-probe',
  'moltbot-probe',
] as const;

const text = z.string().min(1);

export const ConnectParams = z.strictObject({
  minProtocol: z.int().min(1),
  maxProtocol: z.int().min(1),
  client: z.strictObject({
    id: z.enum(CLIENT_IDS),
    displayName: text.optional(),
    version: text,
    platform: text,
    deviceFamily: text.optional(),
    modelIdentifier: text.optional(),
    mode: z.enum(['webchat', 'cli', 'ui', 'backend', 'node', 'probe', 'test']),
    instanceId: text.optional(),
  }),
  caps: z.array(text).optional(),
  commands: z.array(text).optional(),
  permissions: z.record(text, z.boolean()).optional(),
  pathEnv: z.string().optional(),
  role: z.string().optional(),
  scopes: z.array(text).optional(),
  device: z.strictObject({ id: text, publicKey: text, signature: text, signedAt: z.int().min(0), nonce: text.optional() }).optional(),
  auth: z.strictObject({ token: z.string().optional(), password: z.string().optional() }).optional(),
  locale: z.string().optional(),
  userAgent: z.string().optional(),
});
export type ConnectParams = z.infer<typeof ConnectParams>;
