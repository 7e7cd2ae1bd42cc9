import { expect, test } from 'vitest';
import type { Lane } from '../../../src/domain/lane.ts';
import { type LaneResult, Lanes } from '../../../src/domain/lanes.ts';

interface Work {
  readonly name: string;
  readonly receivedAtMs: number;
}

const limits = { youngRequests: 8, slowRequests: 4, requestsPerWebhook: 3 };

function lanesWith(counts: Readonly<Record<string, number>>, overrides: Partial<typeof limits> = {}): Lanes<Work> {
  const lanes = new Lanes<Work>({ ...limits, ...overrides });
  for (const [webhookId, count] of Object.entries(counts)) {
    for (let index = 0; index < count; index++)
      lanes.add(webhookId, { name: `${webhookId}${index}`, receivedAtMs: 0 }, 0);
  }
  return lanes;
}

function startAll(lanes: Lanes<Work>, nowMs = 0): { lane: Lane<Work>; work: Work }[] {
  const started = [];
  for (let next = lanes.next(nowMs); next !== null; next = lanes.next(nowMs)) started.push(next);
  return started;
}

function finish(lanes: Lanes<Work>, lane: Lane<Work>, kind: LaneResult['kind'], nowMs = 0): void {
  lanes.finished(lane, false, kind === 'throttled' ? { kind, untilMs: nowMs + 1000 } : { kind }, nowMs);
}

test('every lane starts with one request at a time', () => {
  const started = startAll(lanesWith({ a: 5, b: 5 }));
  expect(started.map(({ work }) => work.name)).toEqual(['a0', 'b0']);
});

test('each success earns a lane one more request at once, up to the ceiling', () => {
  const lanes = lanesWith({ a: 20 });
  let [only] = startAll(lanes);
  const atOnce: number[] = [];
  for (let round = 0; round < 4 && only !== undefined; round++) {
    finish(lanes, only.lane, 'succeeded');
    const more = startAll(lanes);
    atOnce.push(only.lane.young);
    only = more[0];
  }
  expect(atOnce).toEqual([2, 3, 3, 3]);
});

test('a failure takes a lane back to one request at a time', () => {
  const lanes = lanesWith({ a: 20 });
  const [first] = startAll(lanes);
  if (first === undefined) throw new Error('nothing started');
  finish(lanes, first.lane, 'succeeded');
  startAll(lanes);
  expect(first.lane.young).toBe(2);
  finish(lanes, first.lane, 'failed');
  expect(startAll(lanes)).toEqual([]);
  finish(lanes, first.lane, 'skipped');
  expect(startAll(lanes)).toHaveLength(1);
});

test('lanes take turns, so a busy webhook does not delay a quiet one', () => {
  const lanes = lanesWith({ busy: 1000 }, { youngRequests: 2, requestsPerWebhook: 100 });
  const [first] = startAll(lanes);
  if (first === undefined) throw new Error('nothing started');
  finish(lanes, first.lane, 'succeeded');
  startAll(lanes);
  lanes.add('quiet', { name: 'quiet0', receivedAtMs: 0 }, 0);
  finish(lanes, first.lane, 'succeeded');
  const order = startAll(lanes).map(({ work }) => work.name);
  finish(lanes, first.lane, 'succeeded');
  order.push(...startAll(lanes).map(({ work }) => work.name));
  expect(order).toContain('quiet0');
});

test('no more young requests run than the global limit allows', () => {
  const lanes = lanesWith(Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`w${index}`, 3])));
  expect(startAll(lanes)).toHaveLength(8);
});

test('hanging webhooks give their young slots back and the others go on', () => {
  const lanes = lanesWith(Object.fromEntries(Array.from({ length: 8 }, (_, index) => [`hang${index}`, 3])), {
    slowRequests: 100,
  });
  for (const { lane } of startAll(lanes)) lanes.becameSlow(lane);
  lanes.add('healthy', { name: 'healthy0', receivedAtMs: 0 }, 0);
  expect(startAll(lanes).map(({ work }) => work.name)).toEqual(['healthy0']);
  expect([lanes.young, lanes.slow]).toEqual([1, 8]);
});

test('when the slow budget is used up, lanes with a slow request start nothing new until one ends', () => {
  const lanes = lanesWith({ a: 5, b: 5, c: 5, d: 5, e: 5 }, { requestsPerWebhook: 10 });
  const started = startAll(lanes);
  for (const { lane } of started) {
    finish(lanes, lane, 'succeeded');
  }
  const again = startAll(lanes, 0);
  const slow = again.filter(({ lane }) => ['a', 'b', 'c', 'd'].includes(lane.webhookId)).slice(0, 4);
  for (const { lane } of slow) lanes.becameSlow(lane);
  expect(lanes.slow).toBe(4);
  for (const { lane } of again.filter((one) => !slow.includes(one))) finish(lanes, lane, 'succeeded');
  const names = startAll(lanes).map(({ lane }) => lane.webhookId);
  const blocked = new Set(slow.map(({ lane }) => lane.webhookId));
  expect(names.some((name) => blocked.has(name))).toBe(false);
  const [first] = slow;
  if (first === undefined) throw new Error('nothing slow');
  lanes.finished(first.lane, true, { kind: 'succeeded' }, 0);
  expect(startAll(lanes).length).toBeGreaterThan(0);
});

test('a throttling webhook rests until the time it asked for', () => {
  const lanes = lanesWith({ a: 3 });
  const [first] = startAll(lanes);
  if (first === undefined) throw new Error('nothing started');
  finish(lanes, first.lane, 'throttled', 0);
  lanes.tick(999);
  expect(startAll(lanes, 999)).toEqual([]);
  lanes.tick(1000);
  expect(startAll(lanes, 1000)).toHaveLength(1);
});

test('the breaker opens at the tenth failure in a row, not before, and lets one probe through afterwards', () => {
  const lanes = lanesWith({ a: 30 });
  let nowMs = 0;
  for (let failure = 1; failure <= 10; failure++) {
    const [started] = startAll(lanes, nowMs);
    if (started === undefined) throw new Error(`blocked before failure ${failure}`);
    finish(lanes, started.lane, 'failed', nowMs);
  }
  expect(startAll(lanes, nowMs)).toEqual([]);
  nowMs = 5_000;
  lanes.tick(nowMs);
  const probe = startAll(lanes, nowMs);
  expect(probe).toHaveLength(1);
  if (probe[0] === undefined) throw new Error('no probe');
  finish(lanes, probe[0].lane, 'succeeded', nowMs);
  expect(startAll(lanes, nowMs)).toHaveLength(2);
});

test('idle lanes are forgotten', () => {
  const lanes = lanesWith({ a: 1 });
  const [started] = startAll(lanes);
  if (started === undefined) throw new Error('nothing started');
  finish(lanes, started.lane, 'succeeded');
  lanes.forgetIdle(299_000);
  expect(lanes.size).toBe(1);
  lanes.forgetIdle(301_000);
  expect(lanes.size).toBe(0);
});
