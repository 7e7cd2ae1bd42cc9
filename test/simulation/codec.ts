import type { AttemptRecord } from '../../src/domain/attempt-record.ts';
import type { DeliveryRecord } from '../../src/domain/delivery-record.ts';

/** Stands for the bytes on Kafka: each value is a name, and what it names is kept here. */
export class Codec<T extends DeliveryRecord | AttemptRecord> {
  readonly #values = new Map<string, T>();
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  encode(value: T): Buffer {
    const name = `${this.#prefix}${this.#values.size}`;
    this.#values.set(name, value);
    return Buffer.from(name, 'latin1');
  }

  /** Null for bytes that are none of ours. */
  read(bytes: Buffer | null): T | null {
    return bytes === null ? null : (this.#values.get(bytes.toString('latin1')) ?? null);
  }

  decode(bytes: Buffer): T {
    const value = this.read(bytes);
    if (value === null) throw new Error('these bytes are none of ours');
    return value;
  }
}
