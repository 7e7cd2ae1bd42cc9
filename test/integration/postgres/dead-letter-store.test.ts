import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DeadLetterRecord } from '../../../src/domain/dead-letter.ts';
import type { DeadLetterEntry } from '../../../src/domain/log-entries.ts';
import {
  type DeadLetterPage,
  listDeadLetters,
  redriveOne,
  redrivePage,
} from '../../../src/infrastructure/postgres/dead-letter-store.ts';
import { aDeadLetter } from '../../support/dead-letters.ts';
import { aBatch, createTestStore, type TestStore } from '../../support/recorder-store.ts';
import { unique } from '../../support/unique.ts';

let log: TestStore;
beforeAll(async () => {
  log = await createTestStore();
});
afterAll(() => log[Symbol.asyncDispose]());

async function record(...deadLetters: DeadLetterEntry[]): Promise<void> {
  await log.store.writeBatch(aBatch({ deadLetters }));
}

const sendAll = async (letters: readonly DeadLetterRecord[]) => letters;

function pageOf(topic: string, differing: Partial<DeadLetterPage> = {}): DeadLetterPage {
  return { topic, reason: null, after: null, arrivedByMs: Date.now(), limit: 10, ...differing };
}

test('the list shows the newest dead letters of one topic first, of one reason when asked', async () => {
  const topic = unique('dead');
  const atMs = Date.now() - 1_000;
  await record(
    aDeadLetter({ topic, offset: 1, timestampMs: atMs - 2 }),
    aDeadLetter({ topic, offset: 2, timestampMs: atMs - 1, reason: 'webhook_gone' }),
    aDeadLetter({ topic, offset: 3, timestampMs: atMs }),
    aDeadLetter(),
  );

  const offsetsOf = async (reason: string | null, limit: number) =>
    (await listDeadLetters(log.database, { topic, reason, limit })).map(({ offset }) => offset);

  expect(await offsetsOf(null, 10)).toEqual([3, 2, 1]);
  expect(await offsetsOf(null, 2)).toEqual([3, 2]);
  expect(await offsetsOf('webhook_gone', 10)).toEqual([2]);
  const [newest] = await listDeadLetters(log.database, { topic, reason: null, limit: 1 });
  expect(newest).toMatchObject({ timestampMs: atMs, reason: 'attempts_exhausted', tenantId: 'acme', redrivenAt: null });
});

test('a dead letter is lent with its bytes, marked, and not lent again', async () => {
  const topic = unique('dead');
  await record(aDeadLetter({ topic, offset: 7, key: Buffer.from('k'), value: Buffer.from([0, 255]) }));
  const id = { topic, partition: 0, offset: 7 };
  const lent: DeadLetterRecord[] = [];
  const send = async (letters: readonly DeadLetterRecord[]) => {
    lent.push(...letters);
    return letters;
  };

  await redriveOne(log.database, id, send);
  const again = await redriveOne(log.database, id, send);

  expect(lent).toMatchObject([{ key: Buffer.from('k'), value: Buffer.from([0, 255]), headers: '{}' }]);
  expect(again?.redrivenAt).toMatch(/^\d{4}-.*\+00:00$/);
  expect(await redriveOne(log.database, { ...id, offset: 8 }, send)).toBeNull();
});

test('what could not be sent stays as it was', async () => {
  const topic = unique('dead');
  await record(aDeadLetter({ topic, offset: 1 }), aDeadLetter({ topic, offset: 2 }));
  const failing = redrivePage(log.database, pageOf(topic), () => Promise.reject(new Error('no Kafka')));
  await expect(failing).rejects.toThrow('no Kafka');

  await redrivePage(log.database, pageOf(topic), async (letters) => letters.slice(0, 1));

  const listed = await listDeadLetters(log.database, { topic, reason: null, limit: 10 });
  expect(listed.map(({ offset, redrivenAt }) => [offset, redrivenAt === null])).toEqual([
    [2, true],
    [1, false],
  ]);
});

test('pages go from the oldest to those that had arrived by the given time', async () => {
  const topic = unique('dead');
  const atMs = Date.now() - 10_000;
  const letters = [0, 1, 1, 2, 9].map((laterMs, offset) => aDeadLetter({ topic, offset, timestampMs: atMs + laterMs }));
  await record(...letters);
  const offsets: number[][] = [];

  let after: DeadLetterRecord | null = null;
  do {
    const page: readonly DeadLetterRecord[] = await redrivePage(
      log.database,
      pageOf(topic, { after, arrivedByMs: atMs + 2, limit: 2 }),
      async () => [],
    );
    offsets.push(page.map(({ offset }) => offset));
    after = page.at(-1) ?? null;
  } while (after !== null);

  expect(offsets).toEqual([[0, 1], [2, 3], []]);
});

test('two who redrive at once send each dead letter once', async () => {
  const topic = unique('dead');
  await record(...[1, 2, 3, 4].map((offset) => aDeadLetter({ topic, offset })));
  const sent: number[] = [];
  const bothWork = Promise.withResolvers<void>();
  let working = 0;
  const send = async (letters: readonly DeadLetterRecord[]) => {
    sent.push(...letters.map(({ offset }) => offset));
    working += 1;
    if (working === 2) bothWork.resolve();
    await bothWork.promise;
    return letters;
  };

  await Promise.all([1, 2].map(() => redrivePage(log.database, pageOf(topic, { limit: 2 }), send)));

  expect(sent.toSorted((left, right) => left - right)).toEqual([1, 2, 3, 4]);
  expect(await redrivePage(log.database, pageOf(topic), sendAll)).toEqual([]);
});
