/**
 * The signals by which a person or a pipeline asks a process to end, and that it may heed: Ctrl-C, Ctrl-\, `kill`, and a
 * terminal that is closed.
 */
export const endingSignals = ['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGHUP'] as const
export type EndingSignal = (typeof endingSignals)[number]
