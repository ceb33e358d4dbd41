import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { startDeadline } from '../../../src/lib/deadline.ts'
import { Failure } from '../../../src/lib/failure.ts'

beforeEach(() => {
  jest.useFakeTimers()
})
afterEach(() => {
  jest.useRealTimers()
})

const never = new AbortController().signal

describe('a deadline', () => {
  test('ends the run when its time is over, and says what the run was at', () => {
    const deadline = startDeadline(90_000, never)
    deadline.enter('the proof')
    jest.advanceTimersByTime(89_999)
    expect(deadline.signal.aborted).toBe(false)
    jest.advanceTimersByTime(1)
    expect(deadline.signal.reason).toMatchObject({
      code: 'timeout',
      message: 'The run did not end within its 90 s; it was at: the proof.',
      hint: [expect.stringContaining('input "timeout"')],
    })
  })

  test('ends a run with what its phase has to say about that, until the next one', () => {
    const failure = new Failure('lock-held', 'Another run holds it.', [])
    const deadline = startDeadline(90_000, never)
    const other = startDeadline(90_000, never)
    for (const each of [deadline, other]) each.enter('the wait', () => failure)
    other.enter('the role')
    jest.advanceTimersByTime(90_000)
    expect(deadline.signal.reason).toBe(failure)
    expect(other.signal.reason).toMatchObject({ code: 'timeout' })
  })

  test('counts what remains, and never below nothing', () => {
    const deadline = startDeadline(90_000, never)
    jest.advanceTimersByTime(60_000)
    expect(deadline.remainingMs()).toBeCloseTo(30_000, -2)
    jest.advanceTimersByTime(60_000)
    expect(deadline.remainingMs()).toBe(0)
  })

  test('tells people when it ends', () => {
    jest.setSystemTime(new Date('2026-11-22T14:02:30Z'))
    expect(startDeadline(300_000, never).endsAt.toISOString()).toBe('2026-11-22T14:07:30.000Z')
  })

  test('ends the run when it is cancelled, and the first reason counts', () => {
    const cancelled = new AbortController()
    const deadline = startDeadline(90_000, cancelled.signal)
    deadline.enter('the role')
    cancelled.abort()
    jest.advanceTimersByTime(90_000)
    expect(deadline.signal.reason).toMatchObject({
      code: 'cancelled',
      message: 'The run was cancelled; it was at: the role.',
    })
  })

  test('has ended at once where the run was cancelled before', () => {
    expect(startDeadline(90_000, AbortSignal.abort()).signal.reason).toMatchObject({ code: 'cancelled' })
  })

  test('that is stopped ends nothing any more, and leaves no timer', () => {
    const cancelled = new AbortController()
    const deadline = startDeadline(90_000, cancelled.signal)
    deadline.stop()
    expect(jest.getTimerCount()).toBe(0)
    cancelled.abort()
    expect(deadline.signal.aborted).toBe(false)
  })
})
