import { Webhook as StandardWebhook } from 'standardwebhooks';
import { expect, test } from 'vitest';
import { apiOf, createWebhook, deploy } from '../support/deployment.ts';
import { IndependentProducer } from '../support/independent-producer.ts';
import { readSamples, untilRouted } from '../support/probe.ts';
import { startTestReceiver } from '../support/receiver.ts';
import { waitUntil } from '../support/wait-until.ts';

const TYPE = 'case.opened';

test('a delivery that was given up is listed, sent again once its receiver works, and then counts as successful', async () => {
  await using deployment = await deploy({ POSTHORN_RETRY_SCHEDULE: '1s', POSTHORN_RETRY_JITTER: '0' });
  const [server, tenant] = await Promise.all([deployment.serve(), deployment.createTenant()]);
  const api = await apiOf(server, tenant);
  let works = false;
  const receiver = await startTestReceiver({
    answer: ({ path }) => ({ kind: 'respond', status: works || path !== '/cases' ? 200 : 500 }),
  });
  try {
    await using producer = await IndependentProducer.connect();
    const webhook = await createWebhook(api, TYPE, `${receiver.url}/cases`);
    await untilRouted({ api, tenantId: tenant.id, producer, receiver });
    const data = (await readSamples(api)).get(TYPE);
    const [eventId] = await producer.publish([{ tenantId: tenant.id, type: TYPE, data }]);
    const listed = await waitUntil(
      async () =>
        JSON.parse((await deployment.run(['dead', 'list', '--reason', 'attempts_exhausted', '--json'])).stdout)[0],
      {
        what: 'the dead letter in the log',
      },
    );
    expect(listed).toMatchObject({ reason: 'attempts_exhausted', event_id: eventId, webhook_id: webhook.id });
    const statsOf = async () => (await api.get(`/api/v1/webhooks/${webhook.id}/`)).body.stats;
    await waitUntil(async () => (await statsOf()).failed_deliveries === 1, {
      what: 'the failed delivery in the statistics',
    });

    works = true;
    const redriven = await deployment.run(['dead', 'redrive', listed.id]);

    expect([redriven.code, redriven.stdout]).toEqual([0, `sent again: ${listed.id}\n`]);
    const arrivals = () => receiver.arrivals.filter(({ path }) => path === '/cases');
    await waitUntil(() => arrivals().length === 3, { what: 'the new delivery' });
    expect(arrivals().map(({ attempt, webhookId }) => [attempt, webhookId])).toEqual([
      [1, eventId],
      [2, eventId],
      [1, eventId],
    ]);
    for (const { body, headers } of arrivals())
      new StandardWebhook(webhook.secret).verify(body.toString(), headers as Record<string, string>);
    const isRight = async () => (await statsOf()).successful_deliveries === 1;
    await waitUntil(isRight, { what: 'the statistics' });
    expect(await statsOf()).toEqual({ total_deliveries: 1, successful_deliveries: 1, failed_deliveries: 0 });
  } finally {
    await receiver.close();
  }
});
