import { start } from './start.js'
await start(async () => (await import('./faces.js')).action())
