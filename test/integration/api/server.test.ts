import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import type { SendResult } from '../../../src/domain/send-result.ts';
import { createMetrics } from '../../../src/infrastructure/telemetry/metrics.ts';
import { createApiServer } from '../../../src/processes/api/server.ts';
import { createOpsServer, type ReadinessCheck } from '../../../src/processes/ops-server.ts';
import { createApiFixture, responded } from '../../support/api-fixture.ts';

describe('the description of the API', () => {
  test('is public as OpenAPI 3.1 and names every documented operation', async () => {
    await using api = await createApiFixture();

    const { body } = await api.client.withKey(null).get('/openapi.json');

    expect(body.openapi).toBe('3.1.0');
    const operations = Object.entries(body.paths).flatMap(([path, methods]) =>
      Object.keys(Object(methods)).map((method) => `${method} ${path}`),
    );
    expect(operations.toSorted()).toEqual([
      'delete /api/v1/webhooks/{webhook_id}/',
      'get /api/v1/event-types/',
      'get /api/v1/test-secret/',
      'get /api/v1/webhooks/',
      'get /api/v1/webhooks/{webhook_id}/',
      'patch /api/v1/webhooks/{webhook_id}/',
      'post /api/v1/webhooks/',
      'post /api/v1/webhooks/test/',
    ]);
  });

  test('is public as a page that needs no script and nothing from elsewhere', async () => {
    await using api = await createApiFixture();

    const { status, text: html, headers } = await api.client.withKey(null).get('/docs');

    expect(status).toBe(200);
    expect(headers.get('content-type')).toMatch(/^text\/html/);
    expect(headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'sha256-[^']+';/);
    expect(html).toContain('POST</b> /api/v1/webhooks/test/');
    expect(html).not.toMatch(/<script|https?:\/\/(?!api\.yourcompany\.com)/);
  });
});

describe('the server', () => {
  test('lets a request in flight finish when it is stopped', async () => {
    const sending = Promise.withResolvers<SendResult>();
    const begun = Promise.withResolvers<void>();
    const send = () => {
      begun.resolve();
      return sending.promise;
    };
    await using api = await createApiFixture({ send });
    const server = createApiServer({ ...api.deps, send }, { port: 0, host: '127.0.0.1', stopDeadlineMs: 20_000 });
    await server.start();
    const answer = fetch(`http://127.0.0.1:${server.port}/api/v1/webhooks/test/`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': api.apiKey },
      body: '{"webhook_url":"https://hooks.acme.com/"}',
    });
    await begun.promise;

    const stopped = server.stop();
    sending.resolve(responded(200));

    expect((await answer).status).toBe(200);
    await stopped;
    await server.stop();
  });

  test('refuses headers beyond 16 KiB and requests that are no HTTP, and goes on', async () => {
    await using api = await createApiFixture();
    const ask = (request: string) => {
      const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
      socket.end(request);
      return text(socket);
    };

    expect(await ask(`GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`)).toMatch(/^HTTP\/1.1 431/);
    expect(await ask('nonsense\r\n\r\n')).toMatch(/^HTTP\/1.1 400/);
    expect((await api.client.get('/api/v1/webhooks/')).status).toBe(200);
  });

  test('says in one line that its port is taken', async () => {
    await using api = await createApiFixture();
    const port = Number(new URL(api.url).port);

    const second = createApiServer(api.deps, { port, host: '127.0.0.1', stopDeadlineMs: 1_000 });

    await expect(second.start()).rejects.toThrow(`api cannot listen on port ${port}`);
    await second.stop();
  });
});

describe('the operators’ port', () => {
  async function ask(checks: readonly ReadinessCheck[], path: string, method = 'GET') {
    const { registry } = createMetrics();
    const server = createOpsServer({ port: 0, host: '127.0.0.1', checks, metrics: registry });
    await server.start();
    try {
      const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { method });
      return { status: response.status, type: response.headers.get('content-type'), body: await response.text() };
    } finally {
      await server.stop();
    }
  }

  test('is live while it answers, whatever its dependencies do', async () => {
    const { status } = await ask([{ name: 'kafka', check: () => 'Kafka' }], '/livez');

    expect(status).toBe(200);
  });

  test('is ready when nothing waits', async () => {
    const { status, body } = await ask([{ name: 'postgres', check: () => null }], '/readyz');

    expect(status).toBe(200);
    expect(JSON.parse(body)).toEqual({ status: 'ready', dependencies: { postgres: { status: 'ok' } } });
  });

  test('says of each dependency whether and for what it waits', async () => {
    const checks = [
      { name: 'postgres', check: () => null },
      { name: 'kafka', check: async () => 'brokers at localhost:9092' },
      { name: 'registry', check: () => Promise.reject(new Error('refused')) },
    ];

    const { status, body } = await ask(checks, '/readyz');

    expect(status).toBe(503);
    expect(JSON.parse(body)).toEqual({
      status: 'waiting',
      dependencies: {
        postgres: { status: 'ok' },
        kafka: { status: 'waiting', waits_for: 'brokers at localhost:9092' },
        registry: { status: 'waiting', waits_for: 'refused' },
      },
    });
  });

  test('answers a probe although a check never does', async () => {
    const { status, body } = await ask([{ name: 'kafka', check: () => new Promise(() => undefined) }], '/readyz');

    expect([status, JSON.parse(body).dependencies.kafka.waits_for]).toEqual([503, 'no answer in time']);
  });

  test('gives the metrics in the text format of Prometheus', async () => {
    const { status, type, body } = await ask([], '/metrics');

    expect([status, type]).toEqual([200, expect.stringMatching(/^text\/plain; version=0\.0\.4/)]);
    expect(body).toContain('# TYPE posthorn_api_request_seconds histogram');
    expect(body).toContain('process_resident_memory_bytes');
  });

  test('knows no other address and no other method', async () => {
    expect((await ask([], '/')).status).toBe(404);
    expect((await ask([], '/livez', 'POST')).status).toBe(405);
  });
});
