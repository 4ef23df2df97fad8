/**
 * Which policies may become stricter, by what others report: DMARC from `none` over `quarantine` to `reject` (RFC 7489 §6.6.4),
 * MTA-STS from `testing` to `enforce` (RFC 8461 §5). Evidence decides, not time: mail that is really ours and would be hurt
 * keeps a policy where it is, and is named. Pure.
 */
import type { OperationAnswer } from "../../mailserver-runtime/admin/contract.ts";
import { ipAddress, parseMasterFile } from "../../mailserver-runtime/dns/records.ts";

export type ReceivedReports = Pick<OperationAnswer<"reports">, "dmarc" | "tls">;

export interface PublishedPolicies {
  /** DMARC policies by domain. */
  readonly dmarc: Readonly<Record<string, "none" | "quarantine" | "reject">>;
  /** MTA-STS modes by domain. */
  readonly mtaSts: Readonly<Record<string, "none" | "testing" | "enforce">>;
  /** The addresses mail leaves from. */
  readonly own: readonly string[];
}

export interface Advice {
  readonly domain: string;
  readonly subject: "DMARC" | "MTA-STS";
  /** `stricter`: the evidence is there. `wait`: too little of it. `mend`: own mail fails, and would be hurt. `keep`: nothing to do. */
  readonly verdict: "stricter" | "wait" | "mend" | "keep";
  /** What to declare, with `stricter`: "dmarc.policy: quarantine". */
  readonly declare?: string;
  /** One sentence with the figures. */
  readonly reason: string;
}

/** Messages, or sessions, below which a report says nothing about what is rare. */
const LEAST_EVIDENCE = 50;
/** A share of own mail that may fail: what forwarding and broken mailing lists do to everybody. */
const TOLERATED = 0.01;

const NEXT_DMARC = { none: "quarantine", quarantine: "reject" } as const;

/** One advice for each declared policy. */
export function policyAdvice(reports: ReceivedReports, published: PublishedPolicies): Advice[] {
  return [
    ...Object.entries(published.dmarc).map(([domain, policy]) =>
      dmarcAdvice(reports, published, domain, policy),
    ),
    ...Object.entries(published.mtaSts).map(([domain, mode]) => mtaStsAdvice(reports, domain, mode)),
  ];
}

/** The advice as lines for a person. */
export function adviceLines(advice: readonly Advice[]): string[] {
  const signs = { stricter: "↑", wait: "·", mend: "✗", keep: "✓" } as const;
  return advice.map(
    ({ domain, subject, verdict, declare, reason }) =>
      `${signs[verdict]} ${domain} ${subject}: ${reason}${declare === undefined ? "" : ` Declare ${declare}.`}`,
  );
}

function dmarcAdvice(
  { dmarc }: ReceivedReports,
  { own }: PublishedPolicies,
  domain: string,
  policy: "none" | "quarantine" | "reject",
): Advice {
  const about = { domain, subject: "DMARC" as const };
  const rows = dmarc.filter((row) => row.domain === domain || row.domain.endsWith(`.${domain}`));
  const ownAddresses = new Set(own.map((address) => ipAddress(address)?.text ?? address));
  const ours = rows.filter(({ source }) => ownAddresses.has(ipAddress(source)?.text ?? source));
  const sum = (list: typeof rows, field: "messages" | "passed") =>
    list.reduce((total, row) => total + row[field], 0);
  // A source that passes at all has our keys or our SPF: it is ours as well, such as a relay or a newsletter service.
  const known = [...ours, ...rows.filter((row) => !ours.includes(row) && row.passed > 0)];
  const messages = sum(known, "messages");
  const failed = messages - sum(known, "passed");
  const figures = `${sum(rows, "messages")} messages reported, ${messages} of known sources, ${failed} of those failed`;
  if (policy === "reject") {
    const hurt = failed > messages * TOLERATED && messages >= LEAST_EVIDENCE;
    return {
      ...about,
      verdict: hurt ? "mend" : "keep",
      reason: `reject (${figures}).${hurt ? worst(known) : ""}`,
    };
  }
  if (messages < LEAST_EVIDENCE)
    return {
      ...about,
      verdict: "wait",
      reason: `${policy}; ${figures}, fewer than the ${LEAST_EVIDENCE} that would tell. Is dmarc.rua declared?`,
    };
  if (failed > messages * TOLERATED)
    return {
      ...about,
      verdict: "mend",
      reason: `${policy} (${figures}).${worst(known)} Mend its SPF or DKIM first.`,
    };
  const next = NEXT_DMARC[policy];
  return {
    ...about,
    verdict: "stricter",
    declare: `dmarc.policy: ${next}`,
    reason: `${policy} can become ${next} (${figures}).`,
  };
}

/** Names the source that loses most. */
function worst(rows: ReceivedReports["dmarc"]): string {
  const [first] = rows.toSorted((a, b) => b.messages - b.passed - (a.messages - a.passed));
  return first === undefined
    ? ""
    : ` Most failures come from ${first.source}: ${first.messages - first.passed} of ${first.messages}.`;
}

function mtaStsAdvice(
  { tls }: ReceivedReports,
  domain: string,
  mode: "none" | "testing" | "enforce",
): Advice {
  const about = { domain, subject: "MTA-STS" as const };
  const rows = tls.filter(
    (row) => row.domain === domain && /^(?:sts|tlsa|no-policy-found)$/.test(row.policy),
  );
  const sessions = rows.reduce((total, row) => total + row.successful + row.failed, 0);
  const failed = rows.reduce((total, row) => total + row.failed, 0);
  const figures = `${sessions} TLS sessions reported, ${failed} failed`;
  const failures = [...new Set(rows.flatMap((row) => row.failures))].join(", ");
  if (mode === "enforce")
    return {
      ...about,
      verdict: failed > 0 ? "mend" : "keep",
      reason: `enforce (${figures}${failed > 0 ? `: ${failures}` : ""}).`,
    };
  if (mode === "none") return { ...about, verdict: "keep", reason: "none: the policy is being withdrawn." };
  if (failed > 0)
    return {
      ...about,
      verdict: "mend",
      reason: `testing (${figures}: ${failures}). With enforce that mail would not arrive.`,
    };
  if (sessions < LEAST_EVIDENCE)
    return {
      ...about,
      verdict: "wait",
      reason: `testing; ${figures}, fewer than the ${LEAST_EVIDENCE} that would tell. Is tlsRpt.rua declared?`,
    };
  return {
    ...about,
    verdict: "stricter",
    declare: "mtaSts.mode: enforce",
    reason: `testing can become enforce (${figures}).`,
  };
}

/** What is published, read off the records of a stack (lines of a master file). */
export function publishedPolicies(
  lines: readonly string[],
  mtaSts: PublishedPolicies["mtaSts"],
): PublishedPolicies {
  const records = parseMasterFile(`${lines.join("\n")}\n`, { origin: "." }).entries.map(
    ({ record }) => record,
  );
  const dmarc: Record<string, "none" | "quarantine" | "reject"> = {};
  const own: string[] = [];
  for (const record of records) {
    if (record.type !== "TXT") continue;
    const text = record.strings.join("");
    const policy = /^v=DMARC1;.*?\bp=(none|quarantine|reject)\b/.exec(text)?.[1];
    if (policy !== undefined && record.name.startsWith("_dmarc."))
      dmarc[record.name.slice("_dmarc.".length)] = policy as "none" | "quarantine" | "reject";
    if (text.startsWith("v=spf1 "))
      own.push(...[...text.matchAll(/ ip[46]:([0-9a-f.:]+)(?= )/gi)].map(([, address = ""]) => address));
  }
  return { dmarc, mtaSts, own: [...new Set(own)] };
}
