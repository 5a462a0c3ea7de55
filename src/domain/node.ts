// Nodes: the gateways and distant workers that share a store.

/** A node that was not heard of for so long is given up for dead: its leases are free, its runs go on elsewhere. */
export const NODE_LEASE_MS = 6000;
/** How often a node says that it lives. */
export const KEEP_EVERY_MS = 1500;
