import { asFailure, type Failure } from '../lib/failure.ts'

/** What stands after an error that nothing was prepared for. */
export const standsUnknown =
  'Whether something was changed is not known. The next run looks first, and continues from what it finds.'

/**
 * Ends the process on an error that is thrown where nothing catches it, in place of Node.js, which would print it with
 * all that it holds.
 *
 * @param tell shows the failure, without credentials, and sets the exit code
 */
export function onStrayError(tell: (failure: Failure) => void): void {
  const end = (thrown: unknown): void => {
    process.exitCode = 1
    try {
      tell(asFailure(thrown))
    } finally {
      // At once, since what telling throws would be printed by Node.js in turn.
      process.exit()
    }
  }
  process.on('uncaughtException', end).on('unhandledRejection', end)
}
