/**
 * The facts of one message: what it says, where it comes from, and who answers for it: SPF (RFC 7208), DKIM
 * (RFC 6376), ARC (RFC 8617), DMARC (RFC 9989). Each is found once, when a check first asks for it.
 */
import type { Resolver } from "../dns/resolver.ts";
import { fromDomain, readHeaders } from "../message/headers.ts";
import { verifyArc } from "./arc/arc.ts";
import type { Facts } from "./check.ts";
import { verifyDkim } from "./dkim/verify.ts";
import { verifyDmarc } from "./dmarc/dmarc.ts";
import type { InboundMessage } from "./pipeline.ts";
import { readMessage } from "./reading/readable.ts";
import { reverseOf } from "./reverse.ts";
import { verifySpf } from "./spf/spf.ts";

/** Facts of `message`, as seen by `hostname` through `resolver`. */
export function factsOf(message: InboundMessage, hostname: string, resolver: Resolver): Facts {
  const { content, client, helo, from, receivedAt, signal } = message;
  const now = receivedAt.getTime();
  const options = { signal };
  const headers = once(async () => message.headers ?? readHeaders(content));
  const dkim = once(async () => verifyDkim(resolver, content, await headers(), now, options));
  const spf = once(() =>
    verifySpf(resolver, { ip: client.address, helo, sender: from, receiver: hostname, now }, options),
  );
  const dmarc = once(async () => {
    const author = fromDomain(await headers());
    if (!author.ok) return author.reason;
    const [signatures, sender] = await Promise.all([dkim(), spf()]);
    return verifyDmarc(
      resolver,
      {
        author: author.domain,
        spfDomains: sender.result === "pass" ? [sender.domain] : [],
        dkimDomains: signatures.flatMap(({ result, domain }) =>
          result === "pass" && domain !== undefined ? [domain] : [],
        ),
      },
      options,
    );
  });
  return {
    hostname,
    headers,
    readable: once(async () => readMessage(content, await headers())),
    reverse: once(() => reverseOf(client.address, resolver)),
    spf,
    dkim,
    arc: once(async () => verifyArc(resolver, content, await headers(), now, options)),
    dmarc,
  };
}

function once<T>(find: () => Promise<T>): () => Promise<T> {
  let found: Promise<T> | undefined;
  return () => {
    if (found === undefined) {
      found = find();
      // Who asks sees the rejection; a fact nobody asks for any more must not end the process.
      found.catch(ignore);
    }
    return found;
  };
}
function ignore(): void {}
