/**
 * What is attached, by its content and not by what it is called: programs, programs that are called
 * something else, archives that nobody can look into, documents with macros.
 */
import type { Check } from "../check.ts";
import { type ArchiveLook, isArchive, lookInto } from "../reading/archives/look-into.ts";
import { startBreathing } from "../reading/breather.ts";
import { type FileKind, kindOfFile } from "../reading/file-kind.ts";
import type { Attachment } from "../reading/readable.ts";

interface Rule {
  readonly symbol: string;
  readonly score: number;
  readonly reason: string;
  holds(file: LookedAt): boolean;
}
interface LookedAt extends Attachment, ArchiveLook {
  readonly kind: FileKind;
}
const noArchive: ArchiveLook = { entries: [], levels: 0, isBomb: false };

/** Names that a desktop runs when they are opened. */
const RUNS =
  /\.(?:exe|scr|pif|com|bat|cmd|vbs|vbe|js|jse|wsf|wsh|hta|cpl|msi|msp|lnk|jar|ps1|reg|scf|chm|iso|img|vhd|vhdx|dll|application|gadget)$/i;
const DOUBLE = /\.(?:pdf|docx?|xlsx?|pptx?|txt|rtf|jpe?g|png|gif|mp3|mp4|zip|html?)[\s_.]*\.[a-z0-9]{2,4}$/i;
/** Blanks that push the extension out of sight. */
const PUSHED = /\s{8,}\.[a-z0-9]{2,4}$/i;
const DOCUMENT = /\.(?:pdf|docx?|xlsx?|pptx?|txt|rtf|jpe?g|png|gif|bmp|mp3|wav|html?)$/i;
const ARCHIVE_NAME =
  /\.(?:zip|rar|7z|gz|tgz|tar|jar|docx?|docm|xlsx?|xlsm|xlsb|pptx?|pptm|od[tsp]|epub|apk|ipa|xpi|kmz|pages|numbers|key)$/i;
const MANY_LEVELS = 3;
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
    symbol: "ARCHIVE_BOMB",
    score: 6,
    reason: "is an archive that becomes far more than a person sends",
    holds: ({ isBomb }) => isBomb,
  },
  {
    symbol: "ARCHIVE_NESTED",
    score: 2.5,
    reason: `is an archive in ${MANY_LEVELS} archives or more`,
    holds: ({ levels }) => levels >= MANY_LEVELS,
  },
  {
    symbol: "ARCHIVE_DISGUISED",
    score: 2,
    reason: "is an archive and is called something else",
    holds: ({ kind, name }) =>
      isArchive(kind) && name !== "" && !ARCHIVE_NAME.test(name) && DOCUMENT.test(name),
  },
  {
    symbol: "ATTACHED_DISK_IMAGE",
    score: 4,
    reason: "is the image of a disk",
    holds: ({ kind }) => kind === "disk image",
  },
  {
    symbol: "ATTACHED_ONENOTE",
    score: 3,
    reason: "is a OneNote file, which may hold programs",
    holds: ({ kind }) => kind === "onenote",
  },
  {
    symbol: "ATTACHED_ACTIVE_HTML",
    score: 3,
    reason: "is a web page with a script or a form",
    holds: ({ name, type, head }) =>
      (/\.(?:s?html?|xhtml|svg)$/i.test(name) || /^(?:text\/html|image\/svg\+xml)$/.test(type)) &&
      /<script|<form|\bon(?:load|error)\s{0,3}=/i.test(head.toString("latin1", 0, 65_536)),
  },
  {
    symbol: "PDF_ACTIVE",
    score: 1.5,
    reason: "is a PDF that runs something",
    holds: ({ kind, head }) =>
      kind === "pdf" && /\/(?:JavaScript|JS|Launch|EmbeddedFile)\b/.test(head.toString("latin1")),
  },
  {
    symbol: "RTF_OBJECT",
    score: 2,
    reason: "is an RTF document with an object in it",
    holds: ({ kind, head }) =>
      kind === "rtf" && /\\objdata|\\objupdate|\\objclass/i.test(head.toString("latin1")),
  },
  {
    symbol: "OFFICE_ENCRYPTED",
    score: 1,
    reason: "is a document that nobody can look into",
    holds: ({ kind, head }) => kind === "ole" && head.includes(OLE_ENCRYPTED),
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

const OLE_ENCRYPTED = Buffer.from("EncryptedPackage", "utf16le");

export const attachmentsCheck: Check = {
  name: "attachments",
  timeLimit: 10_000,
  onFailure: "accept",
  async run(_message, facts) {
    const breather = startBreathing();
    const files: LookedAt[] = [];
    for (const attachment of (await facts.readable()).attachments) {
      const kind = kindOfFile(attachment.head);
      files.push({ ...attachment, kind, ...(isArchive(kind) ? await lookInto(attachment.head) : noArchive) });
      await breather.breathe();
    }
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
