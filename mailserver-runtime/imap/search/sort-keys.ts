/** What SORT and THREAD compare, read once for each message (RFC 5256 §3, RFC 5957). */
import { parseAddressList } from "../../message/mime/addresses.ts";
import { decodeHeaderValue } from "../../message/mime/encoded-words.ts";
import { envelopeFields } from "../../message/mime/envelope.ts";
import { StoreError } from "../../store/mail-store.ts";
import { parseMailDate } from "../grammar/dates.ts";
import type { Session } from "../session.ts";
import { baseSubject } from "./base-subject.ts";
import { fold } from "./text.ts";

export const SORT_KEYS = [
  "ARRIVAL",
  "CC",
  "DATE",
  "FROM",
  "SIZE",
  "SUBJECT",
  "TO",
  "DISPLAYFROM",
  "DISPLAYTO",
] as const;
export type SortKey = (typeof SORT_KEYS)[number];
export interface SortCriterion {
  readonly key: SortKey;
  readonly reverse: boolean;
}

/** Positions in the order of the criteria; ties keep the order of the mailbox. */
export async function sortPositions(
  session: Session,
  positions: readonly number[],
  criteria: readonly SortCriterion[],
): Promise<number[]> {
  const rows: { readonly position: number; readonly values: readonly (string | number)[] }[] = [];
  const { out } = session;
  const needsHeader = criteria.some(({ key }) => key !== "ARRIVAL" && key !== "SIZE");
  out.beginTurn();
  for (const position of positions) {
    const header = needsHeader ? await headerAt(session, position) : EMPTY;
    rows.push({ position, values: criteria.map(({ key }) => keyValue(session, position, key, header)) });
    if (out.mustPause()) await out.pause();
  }
  rows.sort((a, b) => {
    for (let index = 0; index < criteria.length; index += 1) {
      const left = a.values[index]!;
      const right = b.values[index]!;
      if (left === right) continue;
      return left < right === criteria[index]!.reverse ? 1 : -1;
    }
    return a.position - b.position;
  });
  return rows.map(({ position }) => position);
}

const EMPTY = Buffer.alloc(0);

/** The usual fields of the header, empty when the message has vanished meanwhile. */
export async function headerAt(session: Session, position: number): Promise<Buffer> {
  const { box } = session;
  try {
    return await box.mailbox.readUsualFields(box.known.uids[position]!);
  } catch (error) {
    if (error instanceof StoreError && error.code === "expunged") return EMPTY;
    throw error;
  }
}

function keyValue(session: Session, position: number, key: SortKey, header: Buffer): string | number {
  const { known } = session.box;
  if (key === "ARRIVAL") return known.dates[position]!;
  if (key === "SIZE") return known.sizes[position]!;
  const fields = envelopeFields(header);
  switch (key) {
    case "DATE":
      return sentDate(fields.date, known.dates[position]!);
    case "SUBJECT":
      return baseSubject(fields.subject ?? "").base;
    case "DISPLAYFROM":
      return displayName(fields.from);
    case "DISPLAYTO":
      return displayName(fields.to);
    default:
      return firstMailbox(fields[key === "CC" ? "cc" : key === "FROM" ? "from" : "to"]);
  }
}

/** RFC 5256 §2.2: the Date field, or INTERNALDATE where it cannot be read. */
export function sentDate(value: string | undefined, internalDate: number): number {
  return (value === undefined ? undefined : parseMailDate(value)?.time) ?? internalDate;
}

/** The local part of the first address. */
function firstMailbox(value: string | undefined): string {
  return fold(value === undefined ? "" : (parseAddressList(value)[0]?.mailbox ?? ""));
}

/** RFC 5957 §3: the display name, or the address. */
function displayName(value: string | undefined): string {
  const first = value === undefined ? undefined : parseAddressList(value)[0];
  if (!first) return "";
  return fold(first.name ? decodeHeaderValue(first.name) : `${first.mailbox ?? ""}@${first.host ?? ""}`);
}
