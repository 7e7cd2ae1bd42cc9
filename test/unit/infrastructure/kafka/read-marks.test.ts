import { expect, test } from 'vitest';
import { ReadMarks } from '../../../../src/infrastructure/kafka/read-marks.ts';

const records = (from: number, count: number) =>
  Array.from({ length: count }, (_, index) => ({
    offset: String(from + index),
    timestamp: String((from + index) * 10),
  }));

test('the age of the record at the watermark is known within 64 records, however much was read at once', () => {
  const marks = new ReadMarks();
  marks.note(records(0, 1_000));
  for (let watermark = 0; watermark < 1_000; watermark += 7) {
    const time = marks.timeAt(watermark) ?? Number.NaN;
    expect(time).toBeLessThanOrEqual(watermark * 10);
    expect(time).toBeGreaterThan((watermark - 64) * 10);
  }
});

test('a gap of offsets does not hide what waits behind it', () => {
  const marks = new ReadMarks();
  marks.note(records(100, 10));
  expect(marks.timeAt(50)).toBe(1_000);
});

test('nothing is known of what was not read, nor after a reading that begins anew', () => {
  const marks = new ReadMarks();
  expect(marks.timeAt(0)).toBeNull();
  marks.note(records(0, 10));
  marks.clear();
  expect(marks.timeAt(5)).toBeNull();
});
