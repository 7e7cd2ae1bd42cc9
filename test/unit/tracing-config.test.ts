import { expect, test } from 'vitest';
import { readTracing } from '../../src/tracing-config.ts';

const COLLECTOR = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318' };

function read(environment: Readonly<Record<string, string>>) {
  const problems: string[] = [];
  return { tracing: readTracing(environment, (problem) => problems.push(problem)), problems };
}

test.each([
  ['no collector is named', {}],
  ['the SDK is disabled', { ...COLLECTOR, OTEL_SDK_DISABLED: 'true' }],
  ['no exporter is wanted', { ...COLLECTOR, OTEL_TRACES_EXPORTER: 'none' }],
])('there are no traces when %s', (_, environment) => {
  expect(read(environment)).toEqual({ tracing: null, problems: [] });
});

test('with a collector all traces are kept, unless the producer decided otherwise', () => {
  const expected = { tracing: { of: 'all', followsParent: true, ratio: 1 }, problems: [] };
  expect(read(COLLECTOR)).toEqual(expected);
  expect(read({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://localhost:4318/v1/traces' })).toEqual(expected);
});

test('a sampler can be chosen', () => {
  const environment = { ...COLLECTOR, OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.1' };
  expect(read(environment).tracing).toEqual({ of: 'ratio', followsParent: true, ratio: 0.1 });
});

test('all problems are told at once', () => {
  const environment = {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'collector',
    OTEL_TRACES_SAMPLER: 'sometimes',
    OTEL_TRACES_SAMPLER_ARG: 'often',
  };
  expect(read(environment).problems).toHaveLength(3);
});
