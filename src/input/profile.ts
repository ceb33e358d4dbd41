/** What was ordered; decides about thresholds, and about whether the checklist counts. */
export const profiles = ['standard', 'premium'] as const
export type Profile = (typeof profiles)[number]
