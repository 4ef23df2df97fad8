/** Takes a report out of its gzip or zip file, with a bound on what may come out: a bomb is an error, not a full memory. */
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { type Entry, fromBuffer, type ZipFile } from "yauzl";
import { UnreadableReport } from "./received-report.ts";

/** Octets of one report; the largest seen in the wild are some megabytes. */
export const MAX_REPORT_BYTES = 20 * 1024 * 1024;
/** Files of one archive that are looked at. */
const MAX_ENTRIES = 5;
const open = promisify<Buffer, { lazyEntries: boolean }, ZipFile>(fromBuffer);

/** The files in these octets; octets that are no archive are one file. @throws {UnreadableReport} */
export async function unpacked(octets: Buffer): Promise<readonly Buffer[]> {
  try {
    if (octets.readUInt16BE(0) === 0x1f8b)
      return [await promisify(gunzip)(octets, { maxOutputLength: MAX_REPORT_BYTES })];
    if (octets.subarray(0, 4).equals(Buffer.from("PK\x03\x04", "latin1"))) return await unzipped(octets);
  } catch (error) {
    throw new UnreadableReport(`the archive cannot be unpacked: ${(error as Error).message}`);
  }
  if (octets.length > MAX_REPORT_BYTES) throw new UnreadableReport("it is larger than any report");
  return [octets];
}

async function unzipped(octets: Buffer): Promise<readonly Buffer[]> {
  const zip = await open(octets, { lazyEntries: true });
  const files: Buffer[] = [];
  let size = 0;
  for await (const entry of entriesOf(zip)) {
    if (files.length >= MAX_ENTRIES) throw new RangeError(`it has more than ${MAX_ENTRIES} files`);
    size += entry.uncompressedSize;
    if (size > MAX_REPORT_BYTES) throw new RangeError(`it holds more than ${MAX_REPORT_BYTES} octets`);
    files.push(await contentOf(zip, entry));
  }
  return files;
}

function entriesOf(zip: ZipFile): AsyncIterable<Entry> {
  return {
    [Symbol.asyncIterator]: () => ({
      next: () =>
        new Promise((resolve, reject) => {
          zip.removeAllListeners();
          zip.once("entry", (value: Entry) => resolve({ done: false, value }));
          zip.once("end", () => resolve({ done: true, value: undefined }));
          zip.once("error", reject);
          zip.readEntry();
        }),
    }),
  };
}

/** yauzl ends the stream with an error where more or less comes than the entry says. */
async function contentOf(zip: ZipFile, entry: Entry): Promise<Buffer> {
  const stream = await promisify<Entry, NodeJS.ReadableStream>(zip.openReadStream.bind(zip))(entry);
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}
