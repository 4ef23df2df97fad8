/**
 * What stands in a zone already, against what the stack wants to put there: records of others that ours would contradict.
 * Nothing of others is ever changed silently, so each is told with a way out: the merge where there is one, and the id to
 * adopt. Pure.
 */
import { ipAddress, rdataText } from "../../mailserver-runtime/dns/records.ts";
import { type CloudflareRecord, textKind } from "./publishers/cloudflare.ts";
import { mergedPolicy } from "./rules/spf.ts";

/** A record as Cloudflare's API tells it. */
export interface StandingRecord {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  /** As in a zone file, for TXT in quotes or not; for SRV without the priority. */
  readonly content: string;
  readonly ttl: number;
  readonly priority?: number;
  readonly proxied?: boolean;
  readonly comment?: string;
  /** The value of SRV, CAA and TLSA, by the plugin's names. */
  readonly data?: Readonly<Record<string, unknown>>;
}

export interface WantedRecord extends CloudflareRecord {
  /** Whether its value is known yet; its name and type always are. */
  readonly known: boolean;
}

export interface Conflict {
  readonly standing: StandingRecord;
  /** What is contradicted. */
  readonly wanted: WantedRecord;
  /** What is wrong and the way out, in sentences. */
  readonly text: string;
}

export interface Ownership {
  /** The comment of this stack's records. */
  readonly comment: string;
  /** Ids of records that become this stack's. */
  readonly adopt: readonly string[];
}

/** Every record of others that the wanted ones contradict, one entry each, in the order of the zone. */
export function conflictsOf(
  wanted: readonly WantedRecord[],
  standing: readonly StandingRecord[],
  { comment, adopt }: Ownership,
): Conflict[] {
  const foreign = standing.filter((record) => record.comment !== comment && !adopt.includes(record.id));
  return foreign.flatMap((record) => {
    const against = wanted.find((ours) => contradicts(ours, record));
    if (against === undefined) return [];
    return [{ standing: record, wanted: against, text: sentence(against, record, comment) }];
  });
}

/** Which wanted record each adopted one becomes: the one it equals, or else one of its kind. */
export function adoptions(
  wanted: readonly WantedRecord[],
  standing: readonly StandingRecord[],
  { comment, adopt }: Ownership,
): { readonly taken: ReadonlyMap<string, StandingRecord>; readonly unused: readonly string[] } {
  const taken = new Map<string, StandingRecord>();
  const unused: string[] = [];
  const listed = adopt.map((id) => standing.find((record) => record.id === id));
  // What equals a wanted record takes that one, before anything else of its kind can.
  for (const exactly of [true, false])
    for (const record of listed) {
      if (record === undefined || [...taken.values()].includes(record)) continue;
      const place = wanted.find(
        (ours) =>
          !taken.has(ours.key) &&
          ours.args.name === nameOf(record) &&
          ours.args.type === record.type &&
          (exactly
            ? ours.known && sameValue(ours, record)
            : ofOneKind(ours, record) &&
              // A place that an own record holds is not free.
              !standing.some(
                (other) =>
                  other.comment === comment &&
                  other !== record &&
                  ours.known &&
                  sameKindAndValue(ours, other),
              )),
      );
      if (place !== undefined) taken.set(place.key, record);
    }
  const used = new Set([...taken.values()].map(({ id }) => id));
  unused.push(...adopt.filter((id) => !used.has(id)));
  return { taken, unused };
}

/** Whether a standing record is what a resource asks for, by the plugin's property names. */
export function equalsRecord(
  standing: StandingRecord,
  inputs: {
    readonly name?: string;
    readonly type?: string;
    readonly content?: string;
    readonly priority?: number;
    readonly data?: Readonly<Record<string, unknown>>;
  },
): boolean {
  const { name, type = "", content, priority, data } = inputs;
  if (nameOf(standing) !== name || standing.type !== type) return false;
  if (data === undefined)
    return (
      standingText(standing) ===
      standingText({ ...standing, content: content ?? "", priority: priority ?? 0 })
    );
  return Object.entries(data).every(
    ([key, value]) => String(standing.data?.[key]).toLowerCase() === String(value).toLowerCase(),
  );
}

/** One message for a plan that is stopped. */
export function conflictMessage(zone: string, conflicts: readonly Conflict[]): string {
  const ids = conflicts.map(({ standing: { id } }) => JSON.stringify(id)).join(", ");
  return [
    `The zone ${zone} has records that are not this stack's and contradict what it would publish. Nothing was changed.`,
    ...conflicts.map(({ text }) => `- ${text}`),
    `To let the stack take all of them over as they are named here: dns.adopt: [${ids}]`,
  ].join("\n");
}

function contradicts(ours: WantedRecord, record: StandingRecord): boolean {
  if (ours.args.name !== nameOf(record)) return false;
  // An alias stands alone (RFC 1034 §3.6.2).
  if ((ours.args.type === "CNAME") !== (record.type === "CNAME")) return true;
  if (ours.args.type !== record.type) return false;
  if (ours.known && sameValue(ours, record)) return true;
  return ofOneKind(ours, record);
}

/** Whether two records of one name and type cannot stand beside each other, or would mean something else together. */
function ofOneKind(ours: WantedRecord, record: StandingRecord): boolean {
  if (ours.args.type === "CAA") return false;
  if (ours.args.type !== "TXT") return true;
  const kind = textKind(stringsOf(ours.args.content ?? ""));
  const theirs = textKind(stringsOf(record.content));
  // A key's record needs no version tag (RFC 6376 §3.6.1): whatever stands at its selector is read as the key.
  return kind === "v=DKIM1" || kind.toLowerCase() === theirs.toLowerCase();
}

const sameKindAndValue = (ours: WantedRecord, record: StandingRecord): boolean =>
  ours.args.name === nameOf(record) && ours.args.type === record.type && sameValue(ours, record);

function sameValue(ours: WantedRecord, record: StandingRecord): boolean {
  return standingText(record) === standingText({ ...record, ...contentOf(ours) });
}

function contentOf({ planned: { record } }: WantedRecord): Pick<StandingRecord, "content" | "priority"> {
  const text = rdataText(record);
  if (record.type === "MX") return { content: record.exchange, priority: record.preference };
  if (record.type === "SRV") return { content: text.slice(text.indexOf(" ") + 1), priority: record.priority };
  return { content: text };
}

/** A value in one way of writing, to compare and to show. */
export function standingText({ type, content, priority }: StandingRecord): string {
  if (type === "TXT") return stringsOf(content).join("");
  if (type === "A" || type === "AAAA") return ipAddress(content)?.text ?? content;
  const plain = content
    .toLowerCase()
    .split(/\s+/)
    .map((word) => (word === "." ? word : word.replace(/\.$/, "")))
    .join(" ");
  return type === "MX" || type === "SRV" ? `${priority ?? 0} ${plain}` : plain;
}

/** The character-strings of a TXT content, whether it is in quotes or not. */
export function stringsOf(content: string): string[] {
  const quoted = [...content.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, text = ""]) =>
    text.replace(/\\(\d{3}|.)/g, (_, escaped: string) =>
      escaped.length === 3 ? String.fromCharCode(Number(escaped)) : escaped,
    ),
  );
  return quoted.length > 0 ? quoted : [content];
}

const nameOf = ({ name }: StandingRecord): string => name.toLowerCase().replace(/\.$/, "");

/** How a conflict is told, by what is contradicted. */
function sentence(ours: WantedRecord, record: StandingRecord, comment: string): string {
  const shown = `${nameOf(record)} ${record.type} ${JSON.stringify(standingText(record))}`;
  const head = `${shown} (id ${record.id}) does not carry the comment "${comment}"`;
  const { args, known } = ours;
  if (record.type !== args.type)
    return `${head}, and an alias cannot stand beside the ${args.type} record that ${args.name} needs (RFC 1034 §3.6.2): rename or remove it.`;
  if (known && sameValue(ours, record)) {
    const proxied = record.proxied === true ? " It is proxied, which mail cannot be." : "";
    return `${head}, and is what the stack would publish.${proxied} Adopt it.`;
  }
  const way = known ? (proposals[kindOf(ours)] ?? replacement)(ours, record) : replacement(ours, record);
  return `${head}. ${way}`;
}

const kindOf = ({ args, planned: { record } }: WantedRecord): string =>
  record.type === "TXT" ? textKind(record.strings) : args.type;

type Proposal = (ours: WantedRecord, record: StandingRecord) => string;

const replacement: Proposal = ({ args, known, planned: { record } }) =>
  `Adopted, it becomes ${known ? JSON.stringify(rdataText(record)) : `the stack's own ${args.type} record`}; otherwise remove it.`;

/** The merge that is proposed, by kind. */
const proposals: Readonly<Record<string, Proposal>> = {
  "v=spf1": (ours, record) => {
    const old = standingText(record);
    const merged = mergedPolicy(stringsOf(ours.args.content ?? "").join(""), old);
    return (
      `A domain has one SPF record (RFC 7208 §3.2). Merged it is ${JSON.stringify(merged)}: ` +
      `set spf.existing of the domain to ${JSON.stringify(old)} and adopt the record.`
    );
  },
  "v=DMARC1": (ours, record) => {
    const reports = /\brua=([^;\s]+)/i.exec(standingText(record))?.[1];
    const keep =
      reports === undefined ? "" : ` To keep its reports, add ${reports} to the domain's dmarc.rua.`;
    return `A domain has one DMARC record (RFC 7489 §6.6.3). Adopted, it becomes ${JSON.stringify(stringsOf(ours.args.content ?? "").join(""))}.${keep}`;
  },
  MX: (ours, record) =>
    `Mail would go to both hosts. Adopted, it becomes "${ours.args.priority} ${ours.args.content}"; to send mail away from ${record.content}, remove it.`,
};
