import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Loads modules anew as often as it is wanted, and knows which ones need which. */
export class Loader {
  readonly #root: string
  readonly #importers = new Map<string, Set<string>>()
  #generation = 0

  constructor(folder: string) {
    this.#root = pathToFileURL(join(folder, '/')).href
    const globals = import.meta.resolve('./globals.ts')
    registerHooks({
      resolve: (specifier, context, next) => {
        if (specifier === '@jest/globals') return { url: globals, shortCircuit: true }
        const found = next(specifier, context)
        if (!this.#isOurs(found.url)) return found
        const importer = context.parentURL?.split('?')[0]
        if (importer !== undefined) {
          const importers = this.#importers.get(found.url) ?? new Set()
          this.#importers.set(found.url, importers.add(importer))
        }
        return { ...found, url: `${found.url}?${this.#generation}` }
      },
    })
  }

  /** From here on, what is loaded is new. */
  begin(): void {
    this.#generation += 1
  }

  async load(file: string): Promise<void> {
    // Its generation is in its name already, because Node.js asks only once what the same name stands for here.
    await import(`${pathToFileURL(file).href}?${this.#generation}`)
  }

  /** Returns those files that import a module, themselves or by others. */
  importersOf(url: string, files: readonly string[]): readonly string[] {
    const found = new Set([url])
    for (const each of found) for (const importer of this.#importers.get(each) ?? []) found.add(importer)
    return files.filter((file) => found.has(pathToFileURL(file).href))
  }

  #isOurs(url: string): boolean {
    return url.startsWith(this.#root) && url.endsWith('.ts') && !url.includes('/node_modules/')
  }
}
