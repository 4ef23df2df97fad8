/**
 * The DS records of a signed zone (RFC 4034 §5), made from its keys: what the registrar has to be told before anybody can
 * believe the zone's signatures.
 */
import { createHash, randomInt } from "node:crypto";
import * as packet from "dns-packet";
import type { ServerAddress } from "./exchange.ts";
import { exchangeTcp } from "./tcp-exchange.ts";
import { encodeName } from "./wire-name.ts";

const QUERY_MS = 3_000;
/** The flags of a key that signs keys: zone key and secure entry point (RFC 4034 §2.1.1). */
const SECURE_ENTRY_POINT = 257;
const PROTOCOL = 3;
/** SHA-256 (RFC 4509). */
const DIGEST_TYPE = 2;

/** Asks the zone's server for its keys. Empty where it has none or does not answer. */
export async function delegationSigners(server: ServerAddress, zone: string): Promise<string[]> {
  const query = packet.encode({
    type: "query",
    id: randomInt(65_536),
    questions: [{ type: "DNSKEY", name: zone }],
  });
  const answer = await exchangeTcp(server, query, QUERY_MS);
  if ("failure" in answer) return [];
  try {
    const keys = (packet.decode(answer.octets).answers ?? []).flatMap((one) =>
      one.type === "DNSKEY" && one.data.flags === SECURE_ENTRY_POINT ? [one.data] : [],
    );
    return keys.map(({ flags, algorithm, key }) => {
      const rdata = Buffer.concat([Buffer.from([flags >> 8, flags & 255, PROTOCOL, algorithm]), key]);
      const digest = createHash("sha256").update(encodeName(zone)).update(rdata).digest("hex");
      return `${zone}. IN DS ${keyTag(rdata)} ${algorithm} ${DIGEST_TYPE} ${digest}`;
    });
  } catch {
    // dns-packet throws on whatever it cannot read: no keys to speak of.
    return [];
  }
}

/** RFC 4034 appendix B. */
function keyTag(rdata: Buffer): number {
  let sum = 0;
  for (const [index, octet] of rdata.entries()) sum += index % 2 === 0 ? octet << 8 : octet;
  return (sum + (sum >> 16)) & 0xffff;
}
