import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeCompletions, encodeCompletions, MAX_METADATA_BYTES } from '../../../src/domain/completion-map.ts';
import { OffsetTracker } from '../../../src/domain/offset-tracker.ts';

/** Offsets as a broker hands them out: rising, with gaps where records were compacted away or are control records. */
const arrivals = fc
  .array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 300 })
  .map((steps) => steps.reduce<number[]>((offsets, step) => [...offsets, (offsets.at(-1) ?? 99) + step], []));

test('the watermark is the lowest open offset, whatever the order in which records are resolved', () => {
  fc.assert(
    fc.property(arrivals, fc.array(fc.nat()), (offsets, picks) => {
      const tracker = new OffsetTracker(100);
      const open = new Set(offsets);
      for (const offset of offsets) expect(tracker.receive(offset)).toBe(true);
      for (const pick of picks) {
        const offset = offsets[pick % offsets.length] ?? 0;
        tracker.resolve(offset);
        open.delete(offset);
        const expected = open.size > 0 ? Math.min(...open) : (offsets.at(-1) ?? 0) + 1;
        expect(tracker.watermark).toBe(expected);
        expect(tracker.open).toBe(open.size);
      }
    }),
  );
});

test('a completion map read back names exactly the resolved offsets beyond the watermark', () => {
  fc.assert(
    fc.property(arrivals, fc.array(fc.nat()), (offsets, picks) => {
      const tracker = new OffsetTracker(100);
      for (const offset of offsets) tracker.receive(offset);
      for (const pick of picks) tracker.resolve(offsets[pick % offsets.length] ?? 0);
      const completed = decodeCompletions(tracker.watermark, encodeCompletions(windowOf(tracker)) || null);
      for (const offset of offsets.filter((candidate) => candidate >= tracker.watermark)) {
        // What is open must never be read back as done; what is done may be missing only behind the last open record.
        if (tracker.isOpen(offset)) expect(completed.has(offset)).toBe(false);
        else expect(completed.has(offset)).toBe(true);
      }
    }),
  );
});

test('a takeover receives only what was open', () => {
  const first = new OffsetTracker(0);
  for (let offset = 0; offset < 10; offset++) first.receive(offset);
  for (const offset of [1, 2, 5, 9]) first.resolve(offset);
  const metadata = encodeCompletions(windowOf(first));
  const second = new OffsetTracker(first.watermark, decodeCompletions(first.watermark, metadata));
  const received = Array.from({ length: 10 }, (_, offset) => offset).filter((offset) => second.receive(offset));
  expect(received).toEqual([0, 3, 4, 6, 7, 8]);
  for (const offset of received) second.resolve(offset);
  expect(second.watermark).toBe(10);
});

test('a window of 20,000 offsets always fits into the metadata of a commit', () => {
  const tracker = new OffsetTracker(0);
  for (let offset = 0; offset < 20_000; offset++) tracker.receive(offset);
  for (let offset = 1; offset < 20_000; offset += 2) tracker.resolve(offset);
  const metadata = encodeCompletions(windowOf(tracker));
  expect(metadata.length).toBeLessThanOrEqual(MAX_METADATA_BYTES);
  expect(decodeCompletions(0, metadata).size).toBe(10_000);
});

test('a window too wide for the metadata keeps the near part of the map', () => {
  const tracker = new OffsetTracker(0);
  for (let offset = 0; offset < 60_000; offset++) tracker.receive(offset);
  for (let offset = 1; offset < 60_000; offset += 2) tracker.resolve(offset);
  const metadata = encodeCompletions(windowOf(tracker));
  expect(metadata.length).toBeLessThanOrEqual(MAX_METADATA_BYTES);
  const completed = decodeCompletions(0, metadata);
  expect(completed.has(1)).toBe(true);
  expect(completed.has(2)).toBe(false);
});

test.each([[null], [''], ['some other program'], ['ph1x1234'], ['ph1r/////w=='], ['ph2bAAAA']])(
  'foreign or damaged metadata %j is ignored',
  (metadata) => {
    expect(decodeCompletions(7, metadata).size).toBe(0);
  },
);

test('a record that arrives again is not handed over again', () => {
  const tracker = new OffsetTracker(5);
  expect(tracker.receive(5)).toBe(true);
  expect(tracker.receive(5)).toBe(false);
  expect(tracker.receive(4)).toBe(false);
});

test('offsets that were read without a record do not hold the watermark back', () => {
  const tracker = new OffsetTracker(0);
  tracker.receive(0);
  tracker.skipTo(50);
  tracker.resolve(0);
  expect(tracker.watermark).toBe(50);
  expect(tracker.span).toBe(0);
});

function windowOf(tracker: OffsetTracker) {
  return {
    watermark: tracker.watermark,
    next: tracker.next,
    isOpen: (offset: number) => tracker.isOpen(offset),
  };
}
