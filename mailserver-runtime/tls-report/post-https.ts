/** Gives a report to a receiver that takes it by HTTPS (RFC 8460 §5.4). */
import { request } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import { addresses, type Resolver } from "../dns/resolver.ts";
import { isPublicAddress } from "../net/public-address.ts";

export interface PostOptions {
  readonly resolver: Resolver;
  /** Whether a report may go there: a stranger's record must not make us knock at our own network's doors. */
  readonly allowed?: (address: string) => boolean;
  readonly timeoutMs?: number;
}

/** Resolves with the status code. @throws Error with the reason */
export async function postReport(url: URL, gzipped: Buffer, options: PostOptions): Promise<number> {
  const { resolver, allowed = isPublicAddress, timeoutMs = 60_000 } = options;
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (isIP(host) !== 0 && !allowed(host)) throw new Error(`${host} is no public address`);
  const signal = AbortSignal.timeout(timeoutMs);
  const lookup: LookupFunction = (name, lookupOptions, done) => {
    addresses(resolver, name, { signal }).then(({ addresses: found, status }) => {
      const fit = found.filter(({ address }) => allowed(address));
      const [first] = fit;
      if (first === undefined)
        done(new Error(`${name} has no public address (${status})`), lookupOptions.all ? [] : "");
      else if (lookupOptions.all) done(null, fit);
      else done(null, first.address, first.family);
    });
  };
  return new Promise((resolve, reject) => {
    const outgoing = request(url, {
      method: "POST",
      headers: { "content-type": "application/tlsrpt+gzip", "content-length": gzipped.length },
      lookup,
      // The report may be about this very certificate (RFC 8460 §3).
      rejectUnauthorized: false,
      agent: false,
      signal,
    });
    outgoing.on("error", reject);
    outgoing.on("response", (incoming) => {
      incoming.destroy();
      resolve(incoming.statusCode ?? 0);
    });
    outgoing.end(gzipped);
  });
}
