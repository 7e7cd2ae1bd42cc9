import { hash } from 'node:crypto';

/** Namespace of our delivery ids: a fixed random UUID, so that they collide with nobody else's version 5 ids. */
const NAMESPACE = Buffer.from('5d1b6c6e0f5a4c1e9d5e7b3a2f4c8e10', 'hex');

/** What makes a delivery the same delivery, whoever computes it and however often. */
export interface DeliveryIdentity {
  readonly tenantId: string;
  readonly source: string;
  readonly eventId: string;
  readonly webhookId: string;
  /** The replay or resend it belongs to; empty for the first delivery. */
  readonly replayId: string;
}

/** UUID version 5 (RFC 9562) of the identity's parts, length-prefixed so that no two identities share a name. */
export function deliveryIdOf(identity: DeliveryIdentity): string {
  const parts = [identity.tenantId, identity.source, identity.eventId, identity.webhookId, identity.replayId];
  const name = parts.map((part) => `${part.length}:${part}`).join('');
  const bytes = Buffer.concat([NAMESPACE, Buffer.from(name)]);
  const hex = hash('sha1', bytes, 'hex');
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
