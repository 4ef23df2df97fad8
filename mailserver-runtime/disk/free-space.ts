/**
 * Keeps mail that comes from outside from filling a disk to its last byte: below the reserve nothing new is let in, so that
 * flags, expunging, the queue's journals and every other program still find room. The kernel is asked at most four times a
 * second; the log says when it begins, now and then while it lasts, and when it is over.
 */
import { statfsSync, statSync } from "node:fs";
import type { Log } from "../net/log.ts";

export interface FreeSpaceOptions {
  /** Where mail is written; several may be on one volume. */
  readonly directories: readonly string[];
  /** Bytes that must stay free on each volume. */
  readonly reserveBytes: () => number;
  readonly log: Log;
  /** Milliseconds; the clock by default. */
  readonly now?: () => number;
  /** The volume a directory is on; the kernel's answer by default. */
  readonly look?: (directory: string) => { readonly volume: number; readonly freeBytes: number };
}
export interface FreeSpace {
  /** Whether so many bytes more leave the reserve alone. */
  hasRoomFor(bytes: number): boolean;
  /** The volumes below their reserve, as `status` shows them. */
  problems(): readonly { readonly file: string; readonly line: number; readonly reason: string }[];
}

const ASK_EVERY_MS = 250;
const SAY_EVERY_MS = 600_000;

interface Volume {
  /** One of the directories on it. */
  readonly directory: string;
  readonly freeBytes: number;
  readonly isScarce: boolean;
  /** When the log was told of its scarcity. */
  readonly saidAt: number;
}

export function watchFreeSpace(options: FreeSpaceOptions): FreeSpace {
  const { reserveBytes, log, now = Date.now, look = kernelsAnswer } = options;
  let volumes: ReadonlyMap<number, Volume> = new Map();
  let askedAt = Number.NEGATIVE_INFINITY;

  function ask(): void {
    const time = now();
    if (time - askedAt < ASK_EVERY_MS) return;
    askedAt = time;
    const found = new Map<number, Volume>();
    for (const directory of options.directories) {
      const { volume, freeBytes } = look(directory);
      if (!found.has(volume)) found.set(volume, told(volumes.get(volume), directory, freeBytes, time));
    }
    volumes = found;
  }
  /** What is known of a volume now; the log hears of what changed. */
  function told(before: Volume | undefined, directory: string, freeBytes: number, time: number): Volume {
    const reserve = reserveBytes();
    const isScarce = freeBytes < reserve;
    if (!isScarce && before?.isScarce)
      log.warn({ event: "disk-recovered", directory, free: freeBytes }, "there is room for new mail again");
    const isNews = isScarce && (!before?.isScarce || time - before.saidAt >= SAY_EVERY_MS);
    if (isNews)
      log.error(
        { event: "disk-low", directory, free: freeBytes, reserve },
        "no new mail is taken until there is more room",
      );
    return { directory, freeBytes, isScarce, saidAt: isNews ? time : (before?.saidAt ?? 0) };
  }

  return {
    hasRoomFor(bytes) {
      ask();
      return [...volumes.values()].every(({ freeBytes }) => freeBytes - bytes >= reserveBytes());
    },
    problems() {
      ask();
      return [...volumes.values()].flatMap(({ directory, freeBytes, isScarce }) =>
        isScarce
          ? [
              {
                file: directory,
                line: 0,
                reason: `${Math.floor(freeBytes / 1024)} KiB are free, less than disk.reserveBytes: no new mail is taken (452 4.3.1). Free space there.`,
              },
            ]
          : [],
      );
    },
  };
}

/** A volume that cannot be asked is not full: whoever writes to it hears what is wrong. */
function kernelsAnswer(directory: string): { volume: number; freeBytes: number } {
  try {
    const { bavail, bsize } = statfsSync(directory);
    return { volume: statSync(directory).dev, freeBytes: bavail * bsize };
  } catch {
    return { volume: -1, freeBytes: Number.POSITIVE_INFINITY };
  }
}
