import { expect, test } from 'vitest';
import { createCatalogue } from '../../../src/domain/catalogue.ts';
import { eventTopicOf, isEventTypeName, recordNameOf } from '../../../src/domain/event-naming.ts';
import { anEventType } from '../../support/avro-records.ts';

const FIELDS = [{ name: 'id', type: 'string' }];

test('types are found by name and by record name, and listed in order', () => {
  const lost = anEventType('order.lost', FIELDS);
  const shipped = anEventType('order.shipped', FIELDS);
  const catalogue = createCatalogue([shipped, lost]);
  expect(catalogue.byType('order.lost')).toBe(lost);
  expect(catalogue.byRecordName('posthorn.events.order.Shipped')).toBe(shipped);
  expect(catalogue.byType('constructor')).toBeUndefined();
  expect(catalogue.all()).toEqual([lost, shipped]);
});

test('a replacement is complete and counts as a new version', () => {
  const catalogue = createCatalogue([anEventType('order.lost', FIELDS)]);
  const before = catalogue.version;
  catalogue.replace([anEventType('order.shipped', FIELDS)]);
  expect(catalogue.byType('order.lost')).toBeUndefined();
  expect(catalogue.byRecordName('posthorn.events.order.Lost')).toBeUndefined();
  expect(catalogue.all()).toHaveLength(1);
  expect(catalogue.version).toBeGreaterThan(before);
});

test.each([
  ['screening.completed', 'posthorn.events.screening.Completed', 'events.screening'],
  ['non_document.check_initiated', 'posthorn.events.non_document.CheckInitiated', 'events.non_document'],
  ['order.line.added', 'posthorn.events.order.LineAdded', 'events.order'],
])('%s is the record %s on %s', (type, recordName, topic) => {
  expect(recordNameOf(type)).toBe(recordName);
  expect(eventTopicOf(type)).toBe(topic);
});

test.each([
  ['order.shipped', true],
  ['order2.line_1.added', true],
  ['all', false],
  ['test', false],
  ['Order.shipped', false],
  ['order.', false],
  ['.shipped', false],
  ['order..shipped', false],
  ['order.1st', false],
  ['order shipped', false],
  [`order.${'x'.repeat(65)}`, false],
])('%s as the name of a type: %s', (name, isName) => {
  expect(isEventTypeName(name)).toBe(isName);
});
