/**
 * What is attached, by its content and not by what it is called: programs, programs that are called
 * something else, archives that nobody can look into, documents with macros.
 */
import type { Check } from "../check.ts";
import { type FileKind, kindOfFile, type ZipEntry, zipEntries } from "../reading/file-kind.ts";
import type { Attachment } from "../reading/readable.ts";

interface Rule {
  readonly symbol: string;
  readonly score: number;
  readonly reason: string;
  holds(file: LookedAt): boolean;
}
interface LookedAt extends Attachment {
  readonly kind: FileKind;
  readonly entries: readonly ZipEntry[];
}

/** Names that a desktop runs when they are opened. */
const RUNS =
  /\.(?:exe|scr|pif|com|bat|cmd|vbs|vbe|js|jse|wsf|wsh|hta|cpl|msi|msp|lnk|jar|ps1|reg|scf|chm|iso|img|vhd|vhdx|dll|application|gadget)$/i;
const DOUBLE = /\.(?:pdf|docx?|xlsx?|pptx?|txt|rtf|jpe?g|png|gif|mp3|mp4|zip|html?)[\s_.]*\.[a-z0-9]{2,4}$/i;
/** Blanks that push the extension out of sight. */
const PUSHED = /\s{8,}\.[a-z0-9]{2,4}$/i;
const DOCUMENT = /\.(?:pdf|docx?|xlsx?|pptx?|txt|rtf|jpe?g|png|gif|bmp|mp3|wav|html?)$/i;
const OLE_MACROS = [Buffer.from("_VBA_PROJECT", "utf16le"), Buffer.from("Macros", "utf16le")];

const rules: readonly Rule[] = [
  {
    symbol: "ATTACHED_DISGUISED",
    score: 8,
    reason: "is a program and is called a document",
    holds: ({ kind, name, type }) =>
      kind === "executable" && (DOCUMENT.test(name) || /^(?:image|audio|video|text)\//.test(type)),
  },
  {
    symbol: "ATTACHED_DOUBLE_EXTENSION",
    score: 6,
    reason: "hides what it is behind a second extension",
    holds: ({ name }) => RUNS.test(name) && (DOUBLE.test(name) || PUSHED.test(name)),
  },
  {
    symbol: "ATTACHED_EXECUTABLE",
    score: 5,
    reason: "is a program",
    holds: ({ kind, name }) => kind === "executable" || RUNS.test(name),
  },
  {
    symbol: "ARCHIVED_EXECUTABLE",
    score: 4,
    reason: "is an archive with a program in it",
    holds: ({ entries }) =>
      entries.some(({ name }) => RUNS.test(name)) &&
      !entries.some(({ name }) => name.startsWith("META-INF/")),
  },
  {
    symbol: "ARCHIVE_ENCRYPTED",
    score: 1.5,
    reason: "is an archive that nobody can look into",
    holds: ({ entries }) => entries.some(({ encrypted }) => encrypted),
  },
  {
    symbol: "OFFICE_MACROS",
    score: 2,
    reason: "is a document with macros",
    holds: ({ kind, entries, head }) =>
      entries.some(({ name }) => /(?:^|\/)vbaProject\.bin$/i.test(name)) ||
      (kind === "ole" && OLE_MACROS.some((sign) => head.includes(sign))),
  },
];

export const attachmentsCheck: Check = {
  name: "attachments",
  timeLimit: 10_000,
  onFailure: "accept",
  async run(_message, facts) {
    const files = (await facts.readable()).attachments.map((attachment): LookedAt => {
      const kind = kindOfFile(attachment.head);
      return { ...attachment, kind, entries: kind === "zip" ? zipEntries(attachment.head) : [] };
    });
    return {
      findings: rules.flatMap(({ symbol, score, reason, holds }) => {
        const file = files.find(holds);
        return file === undefined
          ? []
          : [
              {
                check: "attachments",
                symbol,
                score,
                reason: `${JSON.stringify(file.name.slice(0, 100))} ${reason}`,
              },
            ];
      }),
    };
  },
};
