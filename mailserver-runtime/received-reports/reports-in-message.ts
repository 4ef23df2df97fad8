/**
 * The reports that a message carries. Where the attachments say what they are does not matter: many senders say
 * application/octet-stream; what is read is what the octets are.
 */
import { type MimePart, parseStructure } from "../message/mime/structure.ts";
import { transferDecoder } from "../message/mime/transfer-encoding.ts";
import { readDmarcXml } from "./dmarc-xml.ts";
import { type ReceivedReport, UnreadableReport } from "./received-report.ts";
import { readTlsJson } from "./tls-json.ts";
import { unpacked } from "./unpack.ts";

export interface Found {
  readonly reports: readonly ReceivedReport[];
  /** Why an attachment that looked like a report is none. */
  readonly problems: readonly string[];
}

/** Attachments of one message that are looked at. */
const MAX_ATTACHMENTS = 10;
const ARCHIVE = /^(?:\x1f\x8b|PK\x03\x04)/;
const DOCUMENT = /^(?:\xef\xbb\xbf)?\s*(?:<\?xml|<feedback|<\w+:feedback|\{)/;

/** Never rejects for what a message holds. */
export async function reportsInMessage(message: Buffer): Promise<Found> {
  const reports: ReceivedReport[] = [];
  const problems: string[] = [];
  const candidates = leaves(parseStructure(message))
    .map((part) => decoded(message, part))
    .filter((octets) => looksLikeReport(octets))
    .slice(0, MAX_ATTACHMENTS);
  for (const octets of candidates)
    try {
      for (const file of await unpacked(octets)) reports.push(readReport(file));
    } catch (error) {
      if (!(error instanceof UnreadableReport)) throw error;
      problems.push(error.message);
    }
  return { reports, problems };
}

function readReport(file: Buffer): ReceivedReport {
  const text = file
    .toString("utf8")
    .replace(/^\ufeff/, "")
    .trimStart();
  return text.startsWith("{") ? readTlsJson(text) : readDmarcXml(text);
}

const leaves = (part: MimePart): readonly MimePart[] =>
  part.children.length === 0 ? [part] : part.children.flatMap(leaves);

function decoded(message: Buffer, { bodyStart, end, encoding }: MimePart): Buffer {
  const body = message.subarray(bodyStart, end);
  const decoder = transferDecoder(encoding);
  return decoder === undefined ? body : Buffer.concat([decoder.push(body), decoder.end()]);
}

function looksLikeReport(octets: Buffer): boolean {
  const start = octets.toString("latin1", 0, 200);
  return ARCHIVE.test(start) || DOCUMENT.test(start);
}
