/**
 * SPF (RFC 7208): may this client use this reverse-path's domain?
 *
 * The identity is MAIL FROM; where that is null it is postmaster at the HELO name (§2.4). What the record
 * says is evaluated in `check-host.ts`, its grammar is `record.ts`, its macros are `macro.ts`; all they know
 * of the world is a Resolver. Never throws for what a message or a name server says.
 */

import { domainName } from "../../dns/records.ts";
import type { ResolveOptions, Resolver } from "../../dns/resolver.ts";
import { normalAddress } from "../../net/address.ts";
import { checkHost, type SpfResultName } from "./check-host.ts";
import { clientBytes } from "./network.ts";

export interface SpfQuestion {
  /** The client's address. */
  readonly ip: string;
  /** HELO argument as given. */
  readonly helo: string;
  /** Reverse-path, "" for null. */
  readonly sender: string;
  /** This host's name. */
  readonly receiver: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}
export interface SpfResult {
  readonly result: SpfResultName;
  /** The domain whose record was asked: an authenticated identifier for DMARC where the result is pass. */
  readonly domain: string;
  readonly identity: "mailfrom" | "helo";
  /** The term that decided, or what was wrong. */
  readonly reason: string;
  /** The domain owner's words for a fail. */
  readonly explanation: string | undefined;
}

export async function verifySpf(
  resolver: Resolver,
  question: SpfQuestion,
  options?: ResolveOptions,
): Promise<SpfResult> {
  const { helo, sender, receiver, now } = question;
  const identity = sender === "" ? "helo" : "mailfrom";
  const at = sender.lastIndexOf("@");
  const domain = asciiDomain(sender === "" ? helo : sender.slice(at + 1));
  const ip = normalAddress(question.ip);
  const bytes = clientBytes(ip);
  if (bytes === undefined)
    return {
      result: "none",
      domain,
      identity,
      reason: "the client has no IP address",
      explanation: undefined,
    };
  const client = {
    ip: bytes.length === 4 ? bytes.join(".") : ip,
    bytes,
    helo,
    localPart: at > 0 ? sender.slice(0, at) : "postmaster",
    domain,
    receiver,
    now: Math.floor(now / 1000),
  };
  return { ...(await checkHost(resolver, client, options)), domain, identity };
}

/** U-labels as A-labels (RFC 8616 §4), lower case; what is no domain name stays as it is and has no record. */
function asciiDomain(text: string): string {
  try {
    return domainName(text);
  } catch {
    return text.toLowerCase();
  }
}
