// Every row belongs to a workspace. There is one until several can be configured.

export const WORKSPACE_ID = 'default';
