/**
 * From the items a FETCH names to functions that write them (RFC 9051 §7.5.2).
 *
 * An item is compiled once for a command and runs for every message; those that need only the index write
 * straight from the view's columns.
 */
import { formatDateTime } from "../grammar/dates.ts";
import type { FetchItem, SimpleItem } from "../grammar/fetch-items.ts";
import type { Output } from "../output.ts";
import { writeBodyStructure } from "../response/body-structure.ts";
import { writeEnvelope } from "../response/envelope.ts";
import { type BinaryPart, findBinary, writeBinary } from "./binary.ts";
import { type FetchMessage, Need } from "./fetch-message.ts";
import { emailId, threadIdByEmailId, threadIdByHeader } from "./object-ids.ts";
import { preview } from "./preview.ts";
import { findSection, type SectionBytes, sectionNeeds, topSection, writeSection } from "./section.ts";

export interface ItemWriter {
  readonly needs: number;
  /** Finds what will be written; a string is the response code of a refusal. Runs before anything is written. */
  prepare?(message: FetchMessage): Promise<string | undefined>;
  /** Writes name and value. */
  write(out: Output, message: FetchMessage): undefined | Promise<void>;
}

const index = (write: (out: Output, message: FetchMessage) => void): ItemWriter => ({
  needs: Need.Nothing,
  write(out, message) {
    write(out, message);
    return undefined;
  },
});

const flags = index((out, { box, position }) => {
  out.text("FLAGS ");
  const word = box.flagsAt(position);
  if (box.known !== box.mailbox.view()) box.noteTold(position, word);
  out.bytes(box.flagNames(word));
});

const structure = (name: "BODY" | "BODYSTRUCTURE"): ItemWriter => ({
  needs: Need.Structure,
  write(out, message) {
    out.text(`${name} `);
    writeBodyStructure(out, message.structure!, name === "BODYSTRUCTURE");
    return undefined;
  },
});

const SIMPLE: Record<SimpleItem, ItemWriter> = {
  UID: index((out, { uid }) => {
    out.text("UID ");
    out.number(uid);
  }),
  FLAGS: flags,
  INTERNALDATE: index((out, { box, position }) => {
    out.text(`INTERNALDATE "${formatDateTime(box.known.dates[position]!)}"`);
  }),
  "RFC822.SIZE": index((out, { box, position }) => {
    out.text("RFC822.SIZE ");
    out.number(box.known.sizes[position]!);
  }),
  MODSEQ: index((out, { box, position }) => {
    out.text("MODSEQ (");
    out.number(Math.max(1, box.modSeqAt(position)));
    out.text(")");
  }),
  ENVELOPE: {
    needs: Need.UsualFields,
    write(out, message) {
      out.text("ENVELOPE ");
      writeEnvelope(out, message.header);
      return undefined;
    },
  },
  BODY: structure("BODY"),
  BODYSTRUCTURE: structure("BODYSTRUCTURE"),
  EMAILID: prepared(
    Need.Content,
    "EMAILID",
    (message) => emailId(message.content!),
    (out, id) => out.text(`(${id})`),
  ),
  THREADID: prepared(
    Need.UsualFields,
    "THREADID",
    (message) => threadId(message),
    (out, id) => out.text(`(${id})`),
  ),
  SAVEDATE: {
    needs: Need.SaveDate,
    write(out, { savedAt }) {
      out.text(savedAt === undefined ? "SAVEDATE NIL" : `SAVEDATE "${formatDateTime(savedAt)}"`);
      return undefined;
    },
  },
  PREVIEW: prepared(
    Need.Content | Need.Structure,
    "PREVIEW",
    (message) => preview(message.content!, message.structure!),
    (out, text) => out.string(text),
  ),
};

/** An item whose value is found asynchronously before anything is written. */
function prepared<Value>(
  needs: number,
  name: string,
  find: (message: FetchMessage) => Promise<Value>,
  write: (out: Output, value: Value) => void,
): ItemWriter {
  const item: ItemWriter = {
    needs,
    async prepare(message) {
      message.keep(item, await find(message));
      return undefined;
    },
    write(out, message) {
      out.text(`${name} `);
      write(out, message.kept(item) as Value);
      return undefined;
    },
  };
  return item;
}

/** Only of a message that names none the whole is read. */
async function threadId({ header, box, uid }: FetchMessage): Promise<string> {
  const found = threadIdByHeader(header);
  if (found !== undefined) return found;
  const content = await box.mailbox.read(uid);
  try {
    return threadIdByEmailId(await emailId(content));
  } finally {
    await content.dispose();
  }
}

/** The writer of an item. */
export function itemWriter(item: FetchItem): ItemWriter {
  if (item.kind === "simple") return SIMPLE[item.name];
  if (item.kind === "section") return sectionWriter(item);
  const needs = Need.Content | (item.path.length > 0 ? Need.Structure : 0);
  const writer: ItemWriter = {
    needs,
    async prepare(message) {
      const found = await findBinary(message, item.path);
      if (found === "unknown-cte") return "UNKNOWN-CTE";
      message.keep(writer, found);
      return undefined;
    },
    write(out, message) {
      const part = message.kept(writer) as BinaryPart | undefined;
      out.text(`${item.label} `);
      if (item.kind === "binary") return writeBinary(out, message, part, item.partial);
      out.number(part?.size ?? 0);
      return undefined;
    },
  };
  return writer;
}

function sectionWriter(item: Extract<FetchItem, { kind: "section" }>): ItemWriter {
  const { section, partial } = item;
  const label = Buffer.from(`${item.label} `, "latin1");
  const needs = sectionNeeds(section);
  if (section.path.length === 0) {
    return {
      needs,
      write(out, message) {
        out.bytes(label);
        return writeSection(out, message, topSection(message, section), partial);
      },
    };
  }
  const writer: ItemWriter = {
    needs,
    async prepare(message) {
      message.keep(writer, await findSection(message, section));
      return undefined;
    },
    write(out, message) {
      out.bytes(label);
      return writeSection(out, message, message.kept(writer) as SectionBytes, partial);
    },
  };
  return writer;
}
