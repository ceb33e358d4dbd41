import { readFileSync } from 'node:fs'
import { expect, test } from '@jest/globals'
import { cases, type Case } from '../../kubeconfigs/corpus.ts'

const document = readFileSync(new URL('../../../docs/kubeconfigs.md', import.meta.url), 'utf8')
/** The last column of the table; what ends in … stands for every name that begins so. */
const named = document
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .flatMap((line) => [...(line.split('|').at(-2) ?? '').matchAll(/`([^`]+)`/g)])
  .map(([, name = '']) => name)
const isNamed = (name: string): boolean =>
  named.some((each) => (each.endsWith('…') ? name.startsWith(each.slice(0, -1)) : name === each))

/** How a run differs from kubectl in a case, if it does. */
function differenceOf({ kubectl, product }: Case): 'stricter' | 'kinder' | undefined {
  if (kubectl.startsWith('works')) return product === kubectl ? undefined : 'stricter'
  if (product.startsWith('works')) return 'kinder'
  return kubectl.startsWith('rejected') && product.startsWith('refused') ? 'stricter' : undefined
}

test('the document names every case in which a run differs from kubectl, and no other', () => {
  expect(cases.filter((each) => isNamed(each.name) !== (differenceOf(each) !== undefined))).toEqual([])
  expect(named.filter((name) => !cases.some((each) => each.name.startsWith(name.replace('…', ''))))).toEqual(
    [],
  )
})

test('each difference is marked as one', () => {
  const marks = ['stricter', 'kinder']
  const wrong = cases.filter((each) => {
    const difference = differenceOf(each)
    return difference === undefined ? marks.includes(each.mark) : each.mark !== difference
  })
  expect(wrong).toEqual([])
})

test('where kubectl sends nothing, a run sends nothing', () => {
  expect(
    cases.filter(({ kubectl, product }) => kubectl.startsWith('refuses') && product.startsWith('rejected')),
  ).toEqual([])
})
