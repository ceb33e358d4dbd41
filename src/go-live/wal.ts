/** The parts of a segment's name: timeline, and its number counted in segments of 4 GB and of their own size. */
const segmentName = /^[0-9A-F]{8}([0-9A-F]{8})([0-9A-F]{8})(?:\..*)?$/

/**
 * Returns the number of a segment, counted over all timelines, from its name or from that of a file about it (`.backup`,
 * `.partial`); nothing for a timeline's history file.
 *
 * @param segmentBytes size of a segment: it decides how many of them there are to 4 GB
 */
export function segmentNumber(name: string, segmentBytes: number): number | undefined {
  const [, high, low] = segmentName.exec(name) ?? []
  if (high === undefined || low === undefined) return undefined
  return parseInt(high, 16) * (2 ** 32 / segmentBytes) + parseInt(low, 16)
}

/** Says whether one segment is another one or comes after it, whatever their timelines. */
export function isAtOrAfter(name: string, other: string): boolean {
  const [one, two] = [segmentName.exec(name), segmentName.exec(other)]
  if (one === null || two === null) return false
  return `${one[1] ?? ''}${one[2] ?? ''}` >= `${two[1] ?? ''}${two[2] ?? ''}`
}
