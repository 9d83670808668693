import { defineConfig } from 'vitest/config'

const HOUSE = ['test/architecture.test.ts', 'test/docs.test.ts']
const SOCKETS = [
  'test/listener/**/*.test.ts',
  'test/runtime/**/*.test.ts',
  'test/cli/**/*.test.ts',
  'test/e2e/**/*.test.ts',
  'test/real/**/*.test.ts',
]

export default defineConfig({
  test: {
    testTimeout: 90_000,
    hookTimeout: 90_000,
    projects: [
      { extends: true, test: { name: 'house', include: HOUSE } },
      { extends: true, test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: [...HOUSE, ...SOCKETS] } },
      { extends: true, test: { name: 'sockets', include: SOCKETS, pool: 'forks' } },
    ],
  },
})
