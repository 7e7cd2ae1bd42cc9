import type { ApiClient } from './api-client.ts';
import { createWebhook } from './deployment.ts';
import type { IndependentProducer } from './independent-producer.ts';
import type { TestReceiver } from './receiver.ts';
import { unique } from './unique.ts';
import { waitUntil } from './wait-until.ts';

/** The sample of each event type, as the catalogue gives it to developers. */
export async function readSamples(api: ApiClient): Promise<ReadonlyMap<string, unknown>> {
  const { body } = await api.get('/api/v1/event-types/');
  const eventTypes: readonly { event_type: string; sample: unknown }[] = body.event_types;
  return new Map(eventTypes.map(({ event_type, sample }) => [event_type, sample]));
}

export interface Probe {
  readonly api: ApiClient;
  readonly tenantId: string;
  readonly producer: IndependentProducer;
  readonly receiver: TestReceiver;
}

const TYPE = 'batch.progress';

/**
 * Resolves once every change of a webhook that the API has confirmed counts for routing too: changes are seen in their
 * order, so it is enough to see a newer one. Uses webhooks and events of the type `batch.progress`.
 */
export async function untilRouted({ api, tenantId, producer, receiver }: Probe): Promise<void> {
  const data = (await readSamples(api)).get(TYPE);
  const path = `/${unique('probe')}`;
  const { id } = await createWebhook(api, TYPE, receiver.url + path);
  await waitUntil(
    async () => {
      await producer.publish([{ tenantId, type: TYPE, data }]);
      return receiver.arrivals.some((arrival) => arrival.path === path);
    },
    { what: 'the arrival of a probe' },
  );
  await api.delete(`/api/v1/webhooks/${id}/`);
}
