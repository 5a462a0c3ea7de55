// Who made the models that the team works with.

import type { Config } from '../../domain/config.ts';
import { modelChain, resolveModel } from '../../domain/model.ts';
import { rolePolicies } from '../../domain/team.ts';
import { familyOf } from '../../domain/trust.ts';

/** Whether all models of the agents and the roles are of one maker. */
export function isOneFamily(config: Config): boolean {
  const ofAgents = ['', ...config.agents.list.map(({ id }) => id)].flatMap((id) => modelChain(config, id, null));
  const ofRoles = Object.values(rolePolicies(config)).map(({ model }) => resolveModel(model, config));
  return new Set([...ofAgents, ...ofRoles].map(familyOf)).size === 1;
}
