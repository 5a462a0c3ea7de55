// Every row belongs to a workspace: the owner's own, or one of those the configuration names.

/** The workspace of the state folder itself. */
export const WORKSPACE_ID = 'default';

const ID = /^[a-z0-9][a-z0-9_-]{0,63}$/;

export function isWorkspaceId(id: string): boolean {
  return ID.test(id) && id !== WORKSPACE_ID;
}
