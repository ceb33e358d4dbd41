import { shareTemplates } from '../../sandbox/postgres.ts'

declare global {
  var removeTemplates: (() => Promise<void>) | undefined
}

/** What jest does before the first test of a run, whichever rings it is of. */
export default async function before(): Promise<void> {
  globalThis.removeTemplates = await shareTemplates()
}
