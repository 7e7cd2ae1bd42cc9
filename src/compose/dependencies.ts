import { createBrokerWatch } from '../infrastructure/kafka/broker-watch.ts';
import type { Service } from '../infrastructure/lifecycle.ts';
import { type Dependency, DependencyWatch } from '../processes/dependency-watch.ts';
import type { ReadinessCheck } from '../processes/ops-server.ts';
import type { Foundation } from './foundation.ts';
import type { Role } from './roles.ts';

/** The servers that the roles of a process need, watched for as long as it runs. */
export interface WatchedDependencies extends Service {
  readonly checks: readonly ReadinessCheck[];
}

/** Deliveries that wait already go on without the registry, and retries need nothing but Kafka. */
const NEED_REGISTRY: readonly Role[] = ['router', 'recorder'];

/** Readiness asks for exactly what a role cannot work without; nothing is asked before `start`. */
export function watchDependencies(base: Foundation, roles: readonly Role[]): WatchedDependencies {
  const { config, log, database, registry } = base;
  const brokers = createBrokerWatch(config.kafka, `posthorn-readiness-${config.kafka.instance}`, log);
  const dependencies: Dependency[] = [{ name: 'postgresql', ask: () => database.ping() }];
  if (roles.some((role) => role !== 'api')) dependencies.push({ name: 'kafka', ask: () => brokers.ask() });
  if (roles.some((role) => NEED_REGISTRY.includes(role))) {
    dependencies.push({ name: 'registry', ask: () => registry.ping() });
  }
  const watch = new DependencyWatch({ dependencies, log });
  base.metrics.dependencyUp.from(() => watch.states().map(({ name, isUp }) => [[name], isUp ? 1 : 0]));
  return {
    name: watch.name,
    checks: watch.checks,
    start: () => watch.start(),
    stop: async () => {
      await watch.stop();
      await brokers.close();
    },
  };
}
