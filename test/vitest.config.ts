import { defineConfig } from 'vitest/config';

/**
 * Four projects: `unit` (no network, no real time), `simulation` (thousands of random scenarios of the pipeline over
 * models, in virtual time), `integration` (one adapter against the real server) and `e2e` (the product as child
 * processes). The last two share one set of local servers, started once by `support/runtime.ts`.
 */
const servers = { globalSetup: ['test/support/runtime.ts'], testTimeout: 60_000, hookTimeout: 120_000 };

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      { test: { name: 'simulation', include: ['test/simulation/**/*.test.ts'], testTimeout: 300_000 } },
      { test: { name: 'integration', include: ['test/integration/**/*.test.ts'], ...servers } },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          ...servers,
          testTimeout: 180_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
