import { readFile } from 'node:fs/promises'

/** A row of the recipes in docs/migrations.md. */
export interface Recipe {
  readonly tool: string
  /** What is run. */
  readonly run: string
  /** What of it a test runs. */
  readonly tried: string
}

/** Returns the recipes of docs/migrations.md. */
export async function allRecipes(): Promise<readonly Recipe[]> {
  const text = await readFile(new URL('../../docs/migrations.md', import.meta.url), 'utf8')
  const rows = text.matchAll(/^\| ([^|]+?) +\| `([^`]+)` +\| .+ \| ([^|]+?) +\|$/gm)
  const recipes = [...rows].map(([, tool = '', run = '', tried = '']) => ({ tool, run, tried }))
  // The head of the table looks like one.
  return recipes.slice(1)
}
