/** iprev (RFC 8601 §3) of clients from the internet. */
import { iprev, type Resolver } from "../dns/resolver.ts";
import { networkList, normalAddress } from "../net/address.ts";
import type { Reverse } from "./check.ts";

/** Addresses that no public name server knows. */
const ownNetworks = networkList([
  "127.0.0.0/8",
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "169.254.0.0/16",
  "100.64.0.0/10",
  "::1",
  "fc00::/7",
  "fe80::/10",
]);

/** Looks the address up; undefined for one of a private network, whose names nobody vouches for. */
export async function reverseOf(client: string, resolver: Resolver): Promise<Reverse | undefined> {
  const address = normalAddress(client);
  if (ownNetworks.has(address)) return undefined;
  const { status, name, names } = await iprev(resolver, address);
  return { result: status === "permerror" ? "fail" : status, name: name ?? names[0] };
}
