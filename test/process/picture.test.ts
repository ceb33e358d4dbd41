import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { pictures, takePictures, withoutFigures } from '../../scripts/picture.ts'

test('the pictures of the README are what a run shows, but for its figures', async () => {
  for (const [name, svg] of await takePictures()) {
    const drawn = await readFile(join(pictures, name), 'utf8')
    expect(withoutFigures(drawn)).toBe(withoutFigures(svg))
    // It is shown as an image: nothing in it may be read as anything but text.
    expect(drawn).not.toMatch(/<script|<foreignObject|href=|\son\w+=/i)
  }
})
