#!/usr/bin/env node
import { cli } from './faces.js'
await cli()
