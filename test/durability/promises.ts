/**
 * What an acknowledgement promises of the disk: looked up in the worst disk that a power loss at that moment could leave.
 * A message that is not there is no broken promise where the process itself has removed it since.
 */
import type { Disk, Inode } from "./disk-model.ts";
import type { Exchange, Ledger } from "./ledger.ts";
import { recognise } from "./letters.ts";

/** Which letter a file holds, whole; undefined where it holds none. Counts only its first `writes` writes. */
export class LetterReader {
  readonly #known = new Map<Inode, Map<number, string | undefined>>();

  tokenIn(file: Inode, writes: number): string | undefined {
    const known = this.#known.get(file) ?? new Map<number, string | undefined>();
    this.#known.set(file, known);
    if (!known.has(writes)) {
      const found = recognise(file.content(writes).toString("latin1"));
      known.set(writes, found.kind === "letter" && found.whole ? found.token : undefined);
    }
    return known.get(writes);
  }
}

/** The disk as it may come out, and as the process saw it at the same moment. */
export interface TwoDisks {
  readonly worst: Disk;
  readonly seen: Disk;
}

export function brokenPromises(
  exchange: Exchange,
  ledger: Ledger,
  disks: TwoDisks,
  letters: LetterReader,
): string[] {
  const { what, token } = exchange;
  const found = (disk: "worst" | "seen", below: string): string[] =>
    [...disks[disk]].flatMap(([path, inode]) => {
      if (inode.isDirectory || !path.startsWith(below)) return [];
      const writes = disk === "worst" ? inode.synced : inode.writes.length;
      return letters.tokenIn(inode, writes) === token ? [path] : [];
    });
  /** Nothing that is there now may be gone after a power loss, nor the other way round. */
  const differences = (below: string, of: (path: string) => string | undefined): string[] => {
    const names = (disk: "worst" | "seen") => new Set(found(disk, below).flatMap((path) => of(path) ?? []));
    const [kept, now] = [names("worst"), names("seen")];
    return [
      ...[...now].filter((name) => !kept.has(name)).map((name) => `${name} is not durable`),
      ...[...kept].filter((name) => !now.has(name)).map((name) => `${name} would come back`),
    ];
  };
  switch (what) {
    case "250": {
      const { accounts, remote } = ledger.submissions.get(token)!;
      const places = [...accounts.map(maildirOf), ...(remote.length > 0 ? ["state/queue/"] : [])];
      return places.flatMap((place) =>
        found("worst", place).length > 0 ? [] : found("seen", place).map(notDurable),
      );
    }
    case "removed":
      return found("worst", "state/queue/").map((path) => `${path} would come back`);
    case "create":
    case "delete":
    case "rename":
      return foldersDiffer(disks, maildirOf(exchange.account!));
    default:
      return [
        ...differences(maildirOf(exchange.account!), messageOf),
        ...uidsDiffer(disks, found("seen", maildirOf(exchange.account!))),
      ];
  }
}
const notDurable = (path: string): string => `${path} is not durable`;
const maildirOf = (account: string): string => `mail/${account.split("@").reverse().join("/")}/`;

/** Folder, base name and flags; a message in `new` and one in `cur` without flags are the same to a client. Not what lies in `tmp`. */
function messageOf(path: string): string | undefined {
  const [, folder, base, flags = ""] = /^(.*)\/(?:new|cur)\/([^:/]*)(?::2,(.*))?$/.exec(path) ?? [];
  return folder === undefined || /\/tmp\//.test(path) ? undefined : `${folder}/${base} (${flags})`;
}

function foldersDiffer({ worst, seen }: TwoDisks, maildir: string): string[] {
  const folders = (disk: Disk) =>
    new Set(
      [...disk.keys()].filter(
        (path) => path.startsWith(`${maildir}.`) && /^[^/]*\/cur$/.test(path.slice(maildir.length)),
      ),
    );
  const [kept, now] = [folders(worst), folders(seen)];
  return [
    ...[...now].filter((folder) => !kept.has(folder)).map(notDurable),
    ...[...kept].filter((folder) => !now.has(folder)).map((folder) => `${folder} would come back`),
  ];
}

/** The UIDs of these files must stand in the durable part of their folder's list. */
function uidsDiffer({ worst, seen }: TwoDisks, files: readonly string[]): string[] {
  return files.flatMap((path) => {
    const [, folder, base] = /^(.*)\/(?:new|cur)\/([^:/]*)/.exec(path) ?? [];
    if (folder === undefined || /\/tmp\//.test(path)) return [];
    const record = (disk: Disk, durable: boolean) => {
      const list = disk.get(`${folder}/dovecot-uidlist`);
      const text = list?.content(durable ? list.synced : list.writes.length).toString("latin1") ?? "";
      return text.split("\n").find((line) => line.includes(`:${base}`));
    };
    const now = record(seen, false);
    return now === undefined || record(worst, true) === now ? [] : [`the UID of ${path} is not durable`];
  });
}
