/**
 * From a response message to an answer: the alias chain followed, the status told, the time it may be kept. Pure.
 */
import type { DnsRecord, RecordType } from "./records.ts";
import type { AnswerStatus } from "./resolver.ts";
import { type Message, RCODES } from "./wire.ts";

/** Aliases followed for one question, over all messages. */
export const MAX_CHAIN = 8;
/** Positive answers are asked again at least daily (RFC 1035 §7.3 lets a resolver cap). */
const MAX_TTL = 86_400;
/** Negative answers are kept three hours at most (RFC 2308 §5). */
const MAX_NEGATIVE_TTL = 10_800;
/** Records of one answer handed on; real sets are far below. */
const MAX_ANSWER_RECORDS = 200;

/** What one message says about a name. */
export interface Reading {
  readonly status: AnswerStatus;
  readonly records: readonly DnsRecord[];
  /** Seconds; the lowest of chain and records, or the negative TTL of the SOA. */
  readonly ttl: number;
  /** The aliases walked, each the target of the one before; empty when the name is none. */
  readonly aliases: readonly string[];
  /** The message ends at an alias whose target the server did not tell: it must be asked for. */
  readonly continueAt?: string;
  readonly reason?: string;
}

const failure = (reason: string): Reading => ({
  status: "tempfail",
  records: [],
  ttl: 0,
  aliases: [],
  reason,
});

/** Reads a response to the question `name` `type`. */
export function readAnswer(message: Message, name: string, type: RecordType): Reading {
  if (message.rcode !== RCODES.NOERROR && message.rcode !== RCODES.NXDOMAIN)
    return failure(`the server answered ${rcodeName(message.rcode)}`);
  let owner = name;
  let ttl = MAX_TTL;
  const aliases: string[] = [];
  for (;;) {
    const records = message.answers.filter((record) => record.type === type && record.name === owner);
    if (records.length > 0) {
      for (const record of records) ttl = Math.min(ttl, record.ttl);
      return { status: "ok", records: records.slice(0, MAX_ANSWER_RECORDS), ttl, aliases };
    }
    const alias = message.answers.find((record) => record.type === "CNAME" && record.name === owner);
    if (alias?.type !== "CNAME" || type === "CNAME") break;
    if (alias.target === name || aliases.includes(alias.target))
      return failure(`the aliases of ${name} go in a circle`);
    aliases.push(alias.target);
    if (aliases.length > MAX_CHAIN) return failure(`${name} has more than ${MAX_CHAIN} aliases in a row`);
    ttl = Math.min(ttl, alias.ttl);
    owner = alias.target;
  }
  return negative(message, owner, ttl, aliases);
}

function negative(message: Message, owner: string, chainTtl: number, aliases: readonly string[]): Reading {
  const soa = message.authorities.find((record) => record.type === "SOA");
  const ttl = soa?.type === "SOA" ? Math.min(chainTtl, soa.ttl, soa.minimum, MAX_NEGATIVE_TTL) : 0;
  // NXDOMAIN is about the end of the chain (RFC 6604 §3).
  if (message.rcode === RCODES.NXDOMAIN) return { status: "nxdomain", records: [], ttl, aliases };
  if (soa === undefined && aliases.length > 0)
    return { status: "nodata", records: [], ttl: chainTtl, aliases, continueAt: owner };
  // Neither data nor a negative answer nor a will to look further: a referral of a server that is no resolver.
  if (soa === undefined && !message.recursionAvailable && !message.authoritative)
    return failure("the server neither knows the name nor looks names up for others");
  return { status: "nodata", records: [], ttl, aliases };
}

function rcodeName(rcode: number): string {
  return Object.entries(RCODES).find(([, number]) => number === rcode)?.[0] ?? `code ${rcode}`;
}
