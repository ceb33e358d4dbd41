import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Holds processes back until all of them are ready: starting takes far longer than what they are started for. */
export interface Gate {
  /** Makes a process wait right before its first request. */
  readonly script: string
  /** Waits until so many processes are ready, and lets them go. */
  letGo(amount: number): Promise<void>
  remove(): Promise<void>
}

/** Says that the process is ready, and stops it until it may go on. */
const waiter = (folder: string): string => `
import { subscribe } from 'node:diagnostics_channel'
import { existsSync, writeFileSync } from 'node:fs'
let ready = false
subscribe('http.client.request.created', () => {
  if (ready) return
  ready = true
  writeFileSync(${JSON.stringify(folder)} + '/' + process.pid, '')
  const still = new Int32Array(new SharedArrayBuffer(4))
  while (!existsSync(${JSON.stringify(join(folder, 'open'))})) Atomics.wait(still, 0, 0, 20)
})`

/** Opens a gate with nobody behind it. */
export async function openGate(): Promise<Gate> {
  const folder = await mkdtemp(join(tmpdir(), 'gate-'))
  return {
    script: waiter(folder),
    async letGo(amount) {
      while ((await readdir(folder)).length < amount) await sleep(20)
      await writeFile(join(folder, 'open'), '')
    },
    async remove() {
      await rm(folder, { recursive: true, force: true })
    },
  }
}
