/**
 * The server's log: one JSON object a line, to `log/mail.log` and, for a container, to standard output too.
 *
 * Every line has `time` (milliseconds since the epoch), `level`, `event` and, where a message is meant,
 * `messageId` and `queueId`, from which `mailkeep trace` and the probe read a message's way. No line
 * carries a password, a key or a message's body.
 */
import { mkdirSync } from "node:fs";
import * as path from "node:path";
import pino from "pino";
import type { Log } from "./log.ts";

export interface LogOptions {
  /** Folder of mail.log; made when it is missing. */
  readonly directory: string;
  readonly level: "error" | "warn" | "info" | "debug" | "trace";
  /** Also to standard output. */
  readonly stdout: boolean;
}
export interface OpenLog {
  readonly log: Log;
  setLevel(level: LogOptions["level"]): void;
  /** Opens the file again by its name, after logrotate moved it away. */
  reopen(): void;
  /** Everything said so far is in the file. */
  flush(): void;
}

/** The name of the log file below the log directory. */
export const logFileName = "mail.log";

export function openLog(options: LogOptions): OpenLog {
  mkdirSync(options.directory, { recursive: true });
  // Not `sync`: a line waits for the next turn of the loop, never for the disk. A crash handler calls flush().
  const file = pino.destination({
    dest: path.join(options.directory, logFileName),
    sync: false,
    minLength: 0,
  });
  const streams = [
    { stream: file, level: "trace" as const },
    ...(options.stdout
      ? [{ stream: pino.destination({ dest: 1, sync: false }), level: "trace" as const }]
      : []),
  ];
  const logger = pino(
    {
      level: options.level,
      base: null,
      messageKey: "message",
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: ["password", "*.password", "privateKey", "*.privateKey"], remove: true },
    },
    options.stdout ? pino.multistream(streams) : file,
  );
  return {
    log: logger as unknown as Log,
    setLevel(level) {
      logger.level = level;
    },
    reopen() {
      file.reopen();
    },
    flush() {
      try {
        file.flushSync();
      } catch {
        // The file is not open yet or already gone: nothing can be kept, and the process is ending.
      }
    },
  };
}
