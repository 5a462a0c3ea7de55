// Who may do what. One function decides for every door; what it does not know it denies.

export type Role = 'operator' | 'node';
/** `operator.any`: every operator, whatever the scopes. `public`: everybody who entered. */
export type Scope = 'operator.any' | 'operator.admin' | 'operator.read' | 'operator.write' | 'operator.approvals' | 'operator.pairing' | 'node' | 'public';

export interface Principal {
  readonly workspaceId: string;
  /** `device:<id>`, `token`, `worker:<id>`, `cli`; written into every event as its actor. */
  readonly actor: string;
  readonly role: Role;
  readonly scopes: readonly string[];
  /** The paired device that speaks, where one does. */
  readonly deviceId?: string;
  /** Entered by the shared token or password, not by a device's own token. */
  readonly bySharedSecret?: boolean;
}

export type Decision = { readonly kind: 'allowed' } | { readonly kind: 'denied'; readonly rule: 'scope' | 'role' | 'workspace'; readonly needs: string };

const ALLOWED: Decision = { kind: 'allowed' };

/** Decides whether the principal may call something that needs `scope`, on a resource of `workspaceId`. */
export function authorize(principal: Principal, scope: Scope, workspaceId = principal.workspaceId): Decision {
  if (workspaceId !== principal.workspaceId) return { kind: 'denied', rule: 'workspace', needs: workspaceId };
  if (scope === 'public') return ALLOWED;
  if (scope === 'node') return principal.role === 'node' ? ALLOWED : { kind: 'denied', rule: 'role', needs: principal.role };
  if (principal.role !== 'operator') return { kind: 'denied', rule: 'role', needs: principal.role };
  if (scope === 'operator.any') return ALLOWED;
  if (principal.scopes.includes('operator.admin') || principal.scopes.includes(scope)) return ALLOWED;
  if (scope === 'operator.read' && principal.scopes.includes('operator.write')) return ALLOWED;
  return { kind: 'denied', rule: 'scope', needs: scope };
}
