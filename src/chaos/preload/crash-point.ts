import { KafkaPublisher } from '../../infrastructure/kafka/publisher.ts';

/**
 * Loaded before Posthorn by `node --import`, with `?at=before_outcome` or `?at=after_outcome`: kills the process when it
 * writes the first outcome of an attempt, just before Kafka has it, or just after and before the offset is committed. So
 * the product itself holds no switch for crashes.
 */
const at = new URL(import.meta.url).searchParams.get('at');
const publish = Object.getOwnPropertyDescriptor(KafkaPublisher.prototype, 'publish')?.value;

KafkaPublisher.prototype.publish = async function publishAndCrash(this: KafkaPublisher, records) {
  const isOutcome = records.some(({ topic }) => topic.endsWith('attempts'));
  if (isOutcome && at === 'before_outcome') process.kill(process.pid, 'SIGKILL');
  await publish.call(this, records);
  if (isOutcome && at === 'after_outcome') process.kill(process.pid, 'SIGKILL');
};
