// Who made the models that the team works with.

import type { Config } from '../../domain/config.ts';
import { modelChain, resolveModel } from '../../domain/model.ts';
import { familyOf } from '../../domain/trust.ts';

/** Whether all models are of one maker: those of the agents, and those that the owner has given to roles. */
export function isOneFamily(config: Config): boolean {
  const ofAgents = ['', ...config.agents.list.map(({ id }) => id)].flatMap((id) => modelChain(config, id, null));
  const ofRoles = Object.values(config.team.roles).flatMap((role) => (role?.model === undefined ? [] : [resolveModel(role.model, config)]));
  return new Set([...ofAgents, ...ofRoles].map(familyOf)).size === 1;
}
