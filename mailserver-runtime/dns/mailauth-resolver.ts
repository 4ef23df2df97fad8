/**
 * The resolver as mailauth expects it: a function with the shapes and error codes of `dns.promises.resolve`.
 */
import { type DnsRecord, isDomainName, isRecordType, type RecordOf, type RecordType } from "./records.ts";
import type { Resolver } from "./resolver.ts";

/** `(name, rrtype)` to what `dns.promises.resolve(name, rrtype)` gives; rejects with its error codes. */
export type MailauthResolver = (name: string, rrtype?: string) => Promise<unknown[]>;

/**
 * A failed look-up with the code `dns.promises` gives it (Node's documentation, "Error codes"). It has no stack: a name
 * that is not there is an answer like any other, several for each message, and the stack costs more than all else here.
 */
export class LookupError extends Error {
  override name = "LookupError";
  readonly code: "ENOTFOUND" | "ENODATA" | "ESERVFAIL" | "EBADQUERY" | "EBADNAME";
  readonly syscall: string;
  readonly hostname: string;

  constructor(code: LookupError["code"], rrtype: string, hostname: string, reason: string | undefined) {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(`${code} ${rrtype} ${hostname}${reason === undefined ? "" : `: ${reason}`}`);
    Error.stackTraceLimit = stackTraceLimit;
    this.code = code;
    this.syscall = `query${rrtype}`;
    this.hostname = hostname;
  }
}

/** Node's shape of each type; its names have no final dot, and the root is "". */
const SHAPES: { readonly [T in RecordType]: (record: RecordOf<T>) => unknown } = {
  A: ({ address }) => address,
  AAAA: ({ address }) => address,
  // Octets as characters, as Node gives them, so that strings cut within a UTF-8 sequence join again.
  TXT: ({ strings }) => [...strings],
  MX: ({ exchange, preference }) => ({ exchange: nodeName(exchange), priority: preference }),
  CNAME: ({ target }) => nodeName(target),
  NS: ({ target }) => nodeName(target),
  PTR: ({ target }) => nodeName(target),
  SRV: ({ target, port, priority, weight }) => ({ name: nodeName(target), port, priority, weight }),
  CAA: ({ flags, tag, value }) => ({ critical: flags, [tag]: value }),
  TLSA: ({ usage, selector, matchingType, certificate }) => ({
    certUsage: usage,
    selector,
    match: matchingType,
    data: Uint8Array.from(Buffer.from(certificate, "hex")).buffer,
  }),
  SOA: ({ mname, rname, serial, refresh, retry, expire, minimum }) => ({
    nsname: nodeName(mname),
    hostmaster: nodeName(rname),
    serial,
    refresh,
    retry,
    expire,
    minttl: minimum,
  }),
};

const CODES = { nxdomain: "ENOTFOUND", nodata: "ENODATA", tempfail: "ESERVFAIL" } as const;

/** Adapts a resolver; `signal` ends the look-ups of one message together. */
export function toMailauthResolver(resolver: Resolver, signal?: AbortSignal): MailauthResolver {
  return async (name, rrtype = "A") => {
    if (!isRecordType(rrtype))
      throw new LookupError("EBADQUERY", rrtype, name, "the record type is not known");
    if (!isDomainName(name)) throw new LookupError("EBADNAME", rrtype, name, undefined);
    const answer = await resolver.resolve(name, rrtype, { signal });
    if (answer.status !== "ok") throw new LookupError(CODES[answer.status], rrtype, name, answer.reason);
    const shape = SHAPES[rrtype] as (record: DnsRecord) => unknown;
    return answer.records.map(shape);
  };
}

function nodeName(name: string): string {
  return name === "." ? "" : name;
}
