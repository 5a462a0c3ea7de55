// The schema of roles.json5, which is the section `team` of the configuration in a file of its own.

import { z } from 'zod';
import { ACTIONS, type Action, ROLES } from './role.ts';

const SpawnRight = z.union([z.enum(['yes', 'request']), z.strictObject({ atMost: z.int().min(1) })]);
const names = z.array(z.string().min(1));
const actions = Object.keys(ACTIONS) as [Action, ...Action[]]; // not empty

const Policy = z.looseObject({
  about: z.string().optional(),
  box: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_-]{0,63}$/)
    .optional()
    .describe('Inbox folder of the role.'),
  model: z.string().min(1).optional().describe('An alias or provider/model.'),
  models: z.record(z.string(), z.string()).optional().describe('Models by type of task.'),
  modelFloor: z.enum(['haiku', 'sonnet', 'opus']).optional().describe('Weakest line that may do this work.'),
  runtime: z.enum(['api', 'claude-code']).optional().describe('claude-code: turns are driven by the claude command.'),
  schedule: z.string().optional().describe('Cron expression in the time zone of the owner.'),
  orderedBy: names.optional().describe('Whose orders it takes.'),
  spawns: z.partialRecord(z.enum(ROLES), SpawnRight).optional().describe('Whom it may start: yes, request or { atMost: n }. Who is not listed is denied.'),
  validates: names.optional().describe('Whose work it may judge.'),
  may: z.partialRecord(z.enum(actions), z.string().min(1)).optional().describe('What it may do: yes, or within which bounds.'),
  tools: z
    .looseObject({ allow: names.optional(), deny: names.optional() })
    .optional()
    .describe('Tools of its turns, narrower than those of the configuration.'),
  budget: z
    .looseObject({ usd: z.number().min(0).optional(), tokens: z.int().min(0).optional() })
    .optional()
    .describe('What the role may spend each day.'),
  limits: z
    .looseObject({ atOnce: z.int().min(1).optional(), timeoutSeconds: z.number().min(1).optional(), approvesUsd: z.number().min(0).optional() })
    .optional(),
  escalatesTo: z.string().optional().describe('Who hears of what it could not settle: a role or human.'),
});

export const TeamSchema = z.looseObject({
  roles: z.partialRecord(z.enum(ROLES), Policy).default({}).describe('Roles by name. What is left out is the built-in policy; see clawdbot roles show.'),
  aliases: z
    .record(z.string(), z.string())
    .default({})
    .describe('Names under which agents are known, in small letters with dashes: { "the-boss": "person-manager" }.'),
});
