import type { TraceSampling } from './infrastructure/telemetry/tracing.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** The samplers of OpenTelemetry's `OTEL_TRACES_SAMPLER`. */
const SAMPLERS: Readonly<Record<string, Pick<TraceSampling, 'of' | 'followsParent'>>> = {
  always_on: { of: 'all', followsParent: false },
  always_off: { of: 'none', followsParent: false },
  traceidratio: { of: 'ratio', followsParent: false },
  parentbased_always_on: { of: 'all', followsParent: true },
  parentbased_always_off: { of: 'none', followsParent: true },
  parentbased_traceidratio: { of: 'ratio', followsParent: true },
};

/**
 * Whether and which traces are made, by OpenTelemetry's own variables; null without a collector to send them to. Only
 * those that the SDK leaves to its user are read here.
 */
export function readTracing(environment: Environment, report: (problem: string) => void): TraceSampling | null {
  const endpoint =
    environment['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] || environment['OTEL_EXPORTER_OTLP_ENDPOINT'] || null;
  const isOff = environment['OTEL_SDK_DISABLED'] === 'true' || environment['OTEL_TRACES_EXPORTER'] === 'none';
  if (endpoint === null || isOff) return null;
  const name = environment['OTEL_TRACES_SAMPLER'] || 'parentbased_always_on';
  const sampler = SAMPLERS[name];
  const ratio = Number(environment['OTEL_TRACES_SAMPLER_ARG'] || '1');
  if (!URL.canParse(endpoint)) report('OTEL_EXPORTER_OTLP_ENDPOINT must be a URL such as http://localhost:4318');
  if (!(ratio >= 0 && ratio <= 1)) report('OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1');
  if (sampler === undefined) report(`OTEL_TRACES_SAMPLER must be one of ${Object.keys(SAMPLERS).join(', ')}`);
  return sampler === undefined ? null : { ...sampler, ratio };
}
