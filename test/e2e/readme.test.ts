import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { freePorts } from '../../src/local/free-port.ts';
import { apiOf, createWebhook, deploy } from '../support/deployment.ts';
import { testServers } from '../support/servers.ts';
import { writeSnippet } from '../support/snippets.ts';
import { waitUntil } from '../support/wait-until.ts';

const run = promisify(execFile);

test('an event of the producer in the README verifies at the receiver in the README', async () => {
  await using deployment = await deploy({ POSTHORN_EGRESS_ALLOW_HTTP: 'true' });
  const tenant = await deployment.createTenant();
  const api = await apiOf(await deployment.serve(), tenant);
  const [port] = await freePorts(1);
  using receiver = writeSnippet('README.md', 'verify', { '3000': String(port) });
  using producer = writeSnippet('README.md', 'producer', {
    "ce_tenantid: 'local'": `ce_tenantid: '${tenant.id}'`,
    'localhost:9092': testServers().kafkaBrokers.join(','),
  });
  const { secret } = await createWebhook(api, 'case.opened', `http://localhost:${port}/`);
  const receiving = spawn('node', [receiver.file], { env: { ...process.env, WEBHOOK_SECRET: secret } });
  let output = '';
  receiving.stdout.setEncoding('utf8').on('data', (text: string) => void (output += text));
  try {
    // Events from before the webhook counts for routing are not for it.
    await waitUntil(async () => {
      await run('node', [producer.file]);
      return output.includes("reference: 'CASE-1'");
    });
  } finally {
    receiving.kill();
    await once(receiving, 'exit');
  }
  expect(output).toMatch(/^case\.opened [\w-]{36} \{/);
});
