/** The ways from a run to its database: through the API server to a Pod, or to PGHOST itself. */
export const ways = ['port-forward', 'direct'] as const
export type Via = (typeof ways)[number]
