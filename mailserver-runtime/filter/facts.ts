/** The facts of one message: what it says, and from mailauth SPF (RFC 7208), DKIM (RFC 6376), ARC (RFC 8617), DMARC (RFC 9989). */
import { Readable } from "node:stream";
import type { ARCData, ARCResult, DNSResolver } from "mailauth";
import type { MailauthResolver } from "../dns/mailauth-resolver.ts";
import type { MessageContent } from "../message/content.ts";
import { readHeaders } from "../message/headers.ts";
import type { Facts } from "./check.ts";
import { mailauth } from "./mailauth.ts";
import type { InboundMessage } from "./pipeline.ts";
import { readMessage } from "./reading/readable.ts";
import { reverseOf } from "./reverse.ts";

/** Facts of `message`, as seen by `hostname` through `resolver`. */
export function factsOf(message: InboundMessage, hostname: string, lookUp: MailauthResolver): Facts {
  // The library's type names the answer's shape for each record type; ours follows its documentation.
  const resolver = lookUp as DNSResolver;
  const dkim = once(async () =>
    mailauth().dkimVerify(await input(message.content), { resolver, sender: message.from }),
  );
  const spf = once(() =>
    mailauth().spf({
      resolver,
      ip: message.client.address,
      helo: message.helo,
      sender: message.from,
      mta: hostname,
    }),
  );
  const arc = once(async (): Promise<ARCResult> => {
    const chain = (await dkim()).arc;
    return chain ? mailauth().arc(chain as ARCData, { resolver }) : { i: false, status: { result: "none" } };
  });
  const dmarc = once(async () => {
    const [signatures, senderPolicy, chain] = await Promise.all([dkim(), spf(), arc()]);
    if (signatures.headerFrom.length === 0) return false;
    return mailauth().dmarc({
      headerFrom: signatures.headerFrom,
      fromFields: signatures.fromFields,
      spfDomains: senderPolicy.status.result === "pass" ? [senderPolicy.domain] : [],
      dkimDomains: signatures.results.flatMap((row) =>
        row.status.result === "pass" && row.signingDomain
          ? [
              {
                id: row.id,
                domain: row.signingDomain,
                aligned: row.status.aligned,
                underSized: row.status.underSized,
              },
            ]
          : [],
      ),
      arcResult: chain,
      resolver,
    });
  });
  const readable = once(() => readMessage(message.content));
  const reverse = once(() => reverseOf(message.client.address, lookUp));
  return { hostname, readable, reverse, spf, dkim, arc, dmarc };
}

/**
 * What the library has to read: the whole message where something in it is signed, its header section alone
 * where nothing is. Most of the work on an unsigned message would be canonicalizing a body nobody hashes.
 */
async function input(content: MessageContent): Promise<Buffer | Readable> {
  const headers = await readHeaders(content);
  const isSigned = headers.fields.some(({ name }) => name === "dkim-signature" || name.startsWith("arc-"));
  if (!isSigned && headers.complete && !headers.malformed)
    return headers.bytes.subarray(0, headers.bodyStart);
  return content.buffer ?? Readable.from(content.chunks());
}

function once<T>(find: () => Promise<T>): () => Promise<T> {
  let found: Promise<T> | undefined;
  return () => {
    if (!found) {
      found = Promise.resolve().then(find);
      // Who asks sees the rejection; a fact nobody asks for any more must not end the process.
      found.catch(() => {});
    }
    return found;
  };
}
