/** Bytes before the Avro value in Confluent's wire format: magic 0 and the schema id, big-endian. */
export const FRAME_BYTES = 5;

/** Puts a value into Confluent's wire format. */
export function frame(schemaId: number, value: Buffer): Buffer {
  const framed = Buffer.allocUnsafe(FRAME_BYTES + value.length);
  framed[0] = 0;
  framed.writeInt32BE(schemaId, 1);
  value.copy(framed, FRAME_BYTES);
  return framed;
}

/** The schema id of a framed value, or a sentence that says why it is not framed. */
export function schemaIdOf(value: Buffer | null): number | string {
  if (value === null) return 'the record has no value; events are never deleted by a tombstone';
  if (value.length < FRAME_BYTES) return `the value has ${value.length} bytes, the framing alone takes ${FRAME_BYTES}`;
  if (value[0] !== 0) return `the value starts with byte ${value[0]}, not with the magic byte 0`;
  return value.readInt32BE(1);
}
