import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { loadEventTypes } from '../../../../src/infrastructure/avro/catalogue-files.ts';
import { createEventDataCodec } from '../../../../src/infrastructure/avro/event-data-codec.ts';
import { SHIPPED_EVENTS_FOLDER } from '../../../../src/infrastructure/avro/internal-schemas.ts';
import { parseAvroSchema } from '../../../../src/infrastructure/avro/schema-model.ts';
import { toTypeScript } from '../../../../src/infrastructure/avro/typescript.ts';
import { avroWriter } from '../../../support/avro-records.ts';
import { anyDataOf } from '../../../support/json-data.ts';

/** The event types of the public API, with what it says of each. */
const DOCUMENTED: Readonly<Record<string, string>> = {
  'onboarding.created': 'Onboarding link generated and sent to the entity',
  'onboarding.ddq_completed': 'Entity finished the DDQ step within the onboarding session',
  'onboarding.verification_completed': 'Entity finished the identity verification step within the onboarding session',
  'onboarding.completed': 'All required steps completed — entity fully onboarded',
  'onboarding.expired': 'Onboarding link expired before entity completed all steps',
  'onboarding.revoked': 'Onboarding link permanently revoked by your team',
  'onboarding.link_regenerated': 'A new token issued for an existing session (resend / refresh link)',
  'response.created': 'New response (DDQ submission) created',
  'response.submitted': 'Entity submitted completed response',
  'response.reviewed': 'Response reviewed by compliance team',
  'response.approved': 'Response approved',
  'response.rejected': 'Response rejected',
  'response.autofill_completed': 'AI autofill process completed',
  'response.check_answers_completed': 'AI answer checking completed',
  'response.autoflag_completed': 'AI autoflag analysis completed',
  'screening.completed': 'AML screening check finished successfully',
  'screening.failed': 'AML screening encountered an error',
  'batch.completed': 'Batch screening operation completed',
  'batch.progress': 'Batch screening progress update',
  'batch.failed': 'Batch screening operation failed',
  'verification.session_created': 'New identity verification session started',
  'verification.session_accessed': 'Verification session accessed by entity',
  'verification.session_completed': 'Verification session completed successfully',
  'verification.session_failed': 'Verification session failed',
  'verification.session_expired': 'Verification session expired',
  'verification.check_completed': 'Identity verification check completed',
  'non_document.check_initiated': 'Non-document check initiated',
  'non_document.completed': 'Non-document check completed with results',
  'non_document.reviewed': 'Non-document check reviewed',
  'case.opened': 'New case opened for investigation',
  'case.resolved': 'Case resolved or closed',
  'alert.created': 'New alert created',
};

/** One version of a schema as it was shipped, and bytes that were written with it. */
interface StoredVersion {
  /** In canonical form: names, types and order, all that decides over the bytes. */
  readonly schema: unknown;
  readonly value: string;
  readonly data: Record<string, unknown>;
}
const storedFile = new URL('stored-events.json', import.meta.url);
const stored = JSON.parse(readFileSync(storedFile, 'utf8')) as Record<string, Record<string, StoredVersion>>;
const eventTypes = await loadEventTypes(fileURLToPath(SHIPPED_EVENTS_FOLDER));

test('every documented event type ships, described in the words of the API, and no other', () => {
  expect(Object.fromEntries(eventTypes.map(({ type, description }) => [type, description]))).toEqual(DOCUMENTED);
});

test('the generated types are those of the schemas (else: posthorn schemas types schemas/events --out src/generated/event-data.ts)', () => {
  const generated = readFileSync(new URL('../../../../src/generated/event-data.ts', import.meta.url), 'utf8');
  expect(generated).toBe(toTypeScript(eventTypes));
});

describe.each(eventTypes)('$type', (eventType) => {
  const codec = createEventDataCodec(eventType);
  const writer = avroWriter(eventType.avroSchema);
  const versions = Object.entries(stored[eventType.type] ?? {});

  test('its sample survives the wire and is valid', () => {
    const decoded = codec.decoderFor(writer)(codec.encode(eventType.sample));
    expect(JSON.parse(JSON.stringify(decoded))).toEqual(eventType.sample);
    expect(codec.violation(decoded)).toBeNull();
  });

  test('any data survives the wire and is valid', () => {
    fc.assert(
      fc.property(anyDataOf(parseAvroSchema(eventType.avroSchema)), (data) => {
        const decoded: unknown = JSON.parse(JSON.stringify(codec.decoderFor(writer)(codec.encode(data))));
        expect(decoded).toEqual(data);
        expect(codec.violation(decoded)).toBeNull();
      }),
      { numRuns: 20, seed: 7 },
    );
  });

  test.each(versions)('bytes of version %s are read', (_version, { schema, value, data }) => {
    const decode = codec.decoderFor(avroWriter(schema));
    expect(JSON.parse(JSON.stringify(decode(Buffer.from(value, 'base64'))))).toMatchObject(data);
  });

  test('its newest version is stored (else: add it to stored-events.json and keep the older ones)', () => {
    const newest = versions.at(-1)?.[1].schema;
    expect(JSON.parse(JSON.stringify(writer.type.schema()))).toEqual(newest);
  });
});
