import { afterAll } from 'vitest'
import { removeLeftFolders } from './fixtures.js'

afterAll(removeLeftFolders)
