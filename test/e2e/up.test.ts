import { execFile } from 'node:child_process';
import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ensureCertificates } from '../../src/local/certificates.ts';
import type { UpReady } from '../../src/local/local-posthorn.ts';
import { type Arrival, startReceiver } from '../../src/local/receiver.ts';
import { endRuns, isRunning, runUp, temporaryFolder } from '../support/local-infra.ts';
import { waitUntil } from '../support/wait-until.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(async () => {
  await endRuns();
  folder.remove();
});

async function callApi(ready: UpReady, method: string, path: string, body?: object): Promise<Record<string, unknown>> {
  const response = await fetch(`${ready.apiUrl}${path}`, {
    method,
    headers: { authorization: `Bearer ${ready.apiKey}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return (await response.json()) as Record<string, unknown>;
}

async function publish(ready: UpReady, id: string): Promise<void> {
  const args = ['publish', '--tenant', ready.tenantId, '--type', 'case.opened', '--id', id];
  await promisify(execFile)(resolve('posthorn'), args, {
    cwd: folder.path,
    env: {
      ...process.env,
      POSTHORN_KAFKA_BROKERS: ready.kafkaBrokers,
      POSTHORN_SCHEMA_REGISTRY_URL: ready.schemaRegistryUrl,
    },
  });
}

/** Publishes probes until one arrives: then a new webhook counts. */
async function untilRouted(ready: UpReady, arrivals: readonly Arrival[]): Promise<void> {
  for (let probe = 0; arrivals.length === 0; probe++) {
    await publish(ready, `probe-${probe}`);
    await waitUntil(() => arrivals.length > 0, { timeoutMs: 3_000 }).catch(() => undefined);
  }
}

test('what was set up is still there after a restart, and nothing is delivered again', async () => {
  const arrivals: Arrival[] = [];
  const tls = await ensureCertificates(join(folder.path, '.posthorn', 'certificates'));
  const receiver = await startReceiver({ tls, onArrival: (arrival) => arrivals.push(arrival) });
  const first = runUp([], { cwd: folder.path });
  const before = await first.ready();
  const webhook = { event_type: 'case.opened', webhook_url: `${receiver.url}/kept` };
  const created = await callApi(before, 'POST', '/api/v1/webhooks/', webhook);
  await untilRouted(before, arrivals);
  await publish(before, 'before-restart');
  await waitUntil(() => arrivals.some(({ webhookId }) => webhookId === 'before-restart'));
  first.process.kill('SIGTERM');
  expect(await first.exited).toBe(0);
  expect(Object.values(before.pids).flat().filter(isRunning)).toEqual([]);

  const second = runUp([], { cwd: folder.path });
  const after = await second.ready();
  const known = await callApi(after, 'GET', `/api/v1/webhooks/${String(created['id'])}/`);
  await publish(after, 'after-restart');
  await waitUntil(() => arrivals.some(({ webhookId }) => webhookId === 'after-restart'));
  second.process.kill('SIGTERM');
  expect(await second.exited).toBe(0);
  await receiver.close();

  expect(after.apiKey).toBe(before.apiKey);
  expect(known['webhook_url']).toBe(webhook.webhook_url);
  const ids = arrivals.map(({ webhookId }) => webhookId);
  expect(ids.length).toBe(new Set(ids).size);
  expect(ids).toContain('before-restart');
  expect(statSync(join(folder.path, '.posthorn', 'api-key')).mode & 0o777).toBe(0o600);
  expect(first.output()).not.toContain('Error');
});

test('a stop ends at its deadline although Kafka hangs, and leaves nothing behind', async () => {
  const run = runUp(['--ephemeral'], { cwd: folder.path, environment: { POSTHORN_STOP_DEADLINE: '4s' } });
  const ready = await run.ready();
  for (const pid of ready.pids['kafka'] ?? []) process.kill(pid, 'SIGSTOP');

  run.process.kill('SIGTERM');

  expect(await run.exited, run.output()).toBe(0);
  expect(Object.values(ready.pids).flat().filter(isRunning)).toEqual([]);
});
