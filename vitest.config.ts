import { defineConfig } from 'vitest/config'

const ownFolders = ['end-to-end', 'readers', 'browser', 'servers']

/** Suites are projects: `npx vitest run --project unit`. `unit` is every test that has no folder of its own below. */
export default defineConfig({
  test: {
    environment: 'node',
    pool: 'forks',
    maxWorkers: 2,
    reporters: ['default'],
    setupFiles: ['test/setup.ts'],
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      reporter: ['text-summary', 'html'],
      reportsDirectory: 'coverage',
    },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ownFolders.map((folder) => `test/${folder}/**`),
          testTimeout: 30_000,
          hookTimeout: 30_000,
          sequence: { groupOrder: 0 },
        },
      },
      ...ownFolders.map((name, index) => ({
        extends: true as const,
        test: {
          name,
          include: [`test/${name}/**/*.test.ts`],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          sequence: { groupOrder: index + 1 },
        },
      })),
    ],
  },
})
