import { expect, jest, test } from '@jest/globals'
import { parseRequest } from '../../../src/input/parse.ts'
import { Journal } from '../../../src/run/journal.ts'

test('what a run took leaves out how long a person thought about the answer', async () => {
  let now = 0
  jest.spyOn(performance, 'now').mockImplementation(() => now)
  try {
    const reporter = { mask: () => true, publish: () => undefined, step: () => undefined }
    const journal = new Journal(reporter as unknown as ConstructorParameters<typeof Journal>[0])
    now += 400
    const answer = journal.leaveOut(
      Promise.resolve().then(() => {
        now += 60_000
        return true
      }),
    )
    expect(await answer).toBe(true)
    now += 100
    const inputs = { 'access-secret': 'a', 'access-namespace': 'b', 'app-database': 'c' }
    const request = parseRequest(inputs, { kubeconfig: { absenceHint: [] }, runName: 'test' })
    expect(journal.outcome(request, undefined).seconds).toBeCloseTo(0.5)
  } finally {
    jest.restoreAllMocks()
  }
})
