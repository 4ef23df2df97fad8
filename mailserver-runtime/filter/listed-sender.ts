/** Whom the lists are asked about: the sender's names as a message gives them, and which of them are proven. */

import { canonicalText, domainOf } from "../message/address.ts";
import { parseAddressList } from "../message/address-list.ts";
import { fieldValue, findFields } from "../message/headers.ts";
import type { Facts } from "./check.ts";
import type { InboundMessage } from "./pipeline.ts";
import type { ListedSender, ProvenNames } from "./sender-lists.ts";

export async function listedSender(message: InboundMessage, facts: Facts): Promise<ListedSender> {
  const headers = await facts.headers();
  const fields = findFields(headers, "from");
  const named = fields.length === 1 ? parseAddressList(fieldValue(headers, fields[0]!)) : [];
  const author = named.length === 1 ? canonicalText(named[0]!.address).toLowerCase() : undefined;
  return { client: message.client.address, from: message.from.toLowerCase(), author };
}

/** A fact that cannot be had proves nothing. */
export async function provenNames({ from, author }: ListedSender, facts: Facts): Promise<ProvenNames> {
  const spf = await facts.spf().catch(() => undefined);
  const passed = spf?.result === "pass" ? spf.domain.toLowerCase() : undefined;
  const isFrom = from !== "" && passed === domainOf(from);
  if (author === undefined) return { from: isFrom, author: false };
  const domain = domainOf(author);
  const dmarc = await facts.dmarc().catch(() => undefined);
  if (typeof dmarc === "object" && dmarc.result === "pass") return { from: isFrom, author: true };
  // Without a DMARC record: the same domain, or a signature of one above it.
  const signatures = await facts.dkim().catch(() => []);
  const isSigned = signatures.some(
    ({ result, domain: signer }) =>
      result === "pass" && signer !== undefined && (signer === domain || domain.endsWith(`.${signer}`)),
  );
  return { from: isFrom, author: isSigned || passed === domain };
}
