import { isSealedWith, type KeyRing } from '../domain/secret-box.ts';
import type { CachedWebhook } from '../domain/webhook.ts';
import type { LagWatch, TopicLag } from '../infrastructure/kafka/lag-watch.ts';
import type { Reading } from '../infrastructure/telemetry/metric-set.ts';
import type { Foundation } from './foundation.ts';

/** Shows what the caches hold, and how old it is. */
export function showCaches({ metrics, webhooks, eventTypes }: Foundation): void {
  metrics.cacheAge.from(() => [
    [['webhooks'], webhooks.ageMs / 1000],
    [['event_types'], eventTypes.ageMs / 1000],
  ]);
  metrics.webhooks.from(() => countBy(webhooks.all(), stateOf, ['active', 'disabled', 'gone', 'failing']));
}

/** Shows which secrets are still encrypted with a key that was replaced. */
export function showSecrets({ metrics, webhooks }: Foundation, keyRing: KeyRing): void {
  const secrets = () => [...webhooks.all()].flatMap(({ encryptedSecrets }) => encryptedSecrets);
  const keyOf = (sealed: string) => (isSealedWith(keyRing.current.id, sealed) ? 'current' : 'older');
  metrics.webhookSecrets.from(() => countBy(secrets(), keyOf, ['current', 'older']));
}

/** Shows how far the groups are behind. What waits in a retry tier waits on purpose, so it is told apart. */
export function showLag({ metrics: { kafka }, names }: Foundation, lag: LagWatch): void {
  const isRetry = ({ topic }: TopicLag) => topic.startsWith(names.retryPrefix);
  const stages = () => lag.lags().filter((one) => !isRetry(one));
  kafka.lag.from(() => stages().map(({ group, topic, records }): Reading => [[group, topic], records]));
  kafka.oldestWaiting.from(() =>
    stages().map(({ group, topic, oldestMs }): Reading => [[group, topic], oldestMs / 1000]),
  );
  kafka.retryWaiting.from(() =>
    lag
      .lags()
      .filter(isRetry)
      .map(({ topic, records }): Reading => [[topic.slice(names.retryPrefix.length)], records]),
  );
  kafka.partitions.from(() =>
    lag.fetchStates().map(({ group, state, partitions }): Reading => [[group, state], partitions]),
  );
}

function stateOf({ isActive, disabledReason }: CachedWebhook): string {
  return isActive ? 'active' : (disabledReason ?? 'disabled');
}

function countBy<T>(items: Iterable<T>, nameOf: (item: T) => string, names: readonly string[]): Reading[] {
  const counts = new Map(names.map((name) => [name, 0]));
  for (const item of items) counts.set(nameOf(item), (counts.get(nameOf(item)) ?? 0) + 1);
  return [...counts].map(([name, count]) => [[name], count]);
}
