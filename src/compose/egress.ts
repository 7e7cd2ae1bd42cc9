import type { Config } from '../config.ts';
import type { EgressPolicy } from '../domain/address-policy.ts';

/** Where deliveries may go: the configuration, and never to our own API. */
export function egressPolicyOf({ egress, api }: Config): EgressPolicy {
  return {
    allowCidrs: egress.allowCidrs,
    allowHttp: egress.allowHttp,
    allowIpLiterals: egress.allowIpLiterals,
    ports: egress.ports,
    ownHosts: api.publicUrl === null ? [] : [new URL(api.publicUrl).host],
  };
}
