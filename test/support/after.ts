/** What jest does after the last test of a run. */
export default async function after(): Promise<void> {
  await globalThis.removeTemplates?.()
}
