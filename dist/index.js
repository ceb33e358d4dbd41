import { action } from './faces.js'
await action()
