/**
 * Greylisting as a session asks for it: whether a recipient has to wait, with SPF and the exemptions looked at.
 *
 * Two ways, each off by default. docker-mailserver's Postgrey way (`greylist.all`) asks at RCPT about everybody. rspamd's
 * way (`greylist.suspicious`) asks at the end of a message, about what has a score and is no spam yet.
 */
import type { Resolver } from "../dns/resolver.ts";
import { reverseOf } from "../filter/reverse.ts";
import { verifySpf } from "../filter/spf/spf.ts";
import { clientKey, normalAddress } from "../net/address.ts";
import type { Settings } from "../settings/schema.ts";
import type { Exemptions } from "./exemptions.ts";
import type { GreylistAnswer, GreylistQuestion } from "./greylist.ts";

export interface Correspondent {
  /** The client's address. */
  readonly client: string;
  readonly helo: string;
  /** Reverse-path, "" for null. */
  readonly sender: string;
  readonly recipient: string;
}
export interface Greylisting {
  /** Seconds that this mail has to wait; undefined: it may pass. Never rejects: who cannot be asked holds up nobody. */
  waits(mail: Correspondent): Promise<number | undefined>;
}
export interface GreylistingOptions {
  readonly settings: () => Settings;
  readonly resolver: Resolver;
  readonly exemptions: () => Exemptions;
  /** The first process's list (`greylist.ts`). */
  readonly ask: (question: GreylistQuestion) => Promise<GreylistAnswer>;
  readonly knows: (question: GreylistQuestion) => Promise<boolean>;
}

/** What SPF may take at RCPT before the client's network is taken for it. */
const SPF_MS = 5_000;

export function createGreylisting(options: GreylistingOptions): Greylisting {
  async function isExempt({ client, recipient }: Correspondent): Promise<boolean> {
    const exemptions = options.exemptions();
    if (exemptions.isEmpty) return false;
    if (exemptions.client(normalAddress(client)) || exemptions.recipient(recipient)) return true;
    if (!exemptions.asksNames) return false;
    const reverse = await reverseOf(client, options.resolver);
    return reverse?.result === "pass" && reverse.name !== undefined && exemptions.clientName(reverse.name);
  }
  async function spfDomain(
    { client, helo, sender }: Correspondent,
    receiver: string,
  ): Promise<string | undefined> {
    if (sender === "") return undefined;
    const question = { ip: client, helo, sender, receiver, now: Date.now() };
    const { result, domain } = await verifySpf(options.resolver, question, {
      signal: AbortSignal.timeout(SPF_MS),
    });
    return result === "pass" ? domain : undefined;
  }
  async function waits(mail: Correspondent): Promise<number | undefined> {
    if (await isExempt(mail)) return undefined;
    const { hostname, greylist } = options.settings();
    const question: GreylistQuestion = {
      network: networkOf(mail.client),
      sender: mail.sender,
      recipient: mail.recipient,
      delaySeconds: greylist.delaySeconds,
      maxAgeDays: greylist.maxAgeDays,
      autoAllowAfter: greylist.autoAllowAfter,
    };
    // Most are known by their network already, and cost no look-up.
    const domain = (await options.knows(question)) ? undefined : await spfDomain(mail, hostname);
    const answer = await options.ask(
      domain === undefined ? question : { ...question, network: `spf:${domain}` },
    );
    return answer.kind === "wait" ? answer.seconds : undefined;
  }
  return { waits: (mail) => waits(mail).catch(() => undefined) };
}

/** The IPv4 /24 or the IPv6 /64 of an address. */
export function networkOf(client: string): string {
  const address = normalAddress(client);
  if (address.includes(":")) return clientKey(address);
  return `${address.split(".").slice(0, 3).join(".")}.0/24`;
}
