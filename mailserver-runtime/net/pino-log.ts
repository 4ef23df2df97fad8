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
import { LogFile } from "./log-file.ts";

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
  const file = new LogFile(path.join(options.directory, logFileName));
  const outputs = options.stdout ? [file, new LogFile(1)] : [file];
  const logger = pino(
    {
      level: options.level,
      base: null,
      messageKey: "message",
      // pino's own `redact` with wildcards costs three times the line.
      formatters: { level: (label) => ({ level: label }), log: withoutSecrets },
    },
    options.stdout ? pino.multistream(outputs.map((stream) => ({ stream, level: "trace" as const }))) : file,
  );
  // Children inherit it, and theirs do: a child's fields are written out where no formatter sees them.
  const { child } = logger;
  logger.child = function (this: typeof logger, fields: Record<string, unknown>) {
    return child.call(this, withoutSecrets(fields));
  } as typeof logger.child;
  return {
    log: logger as unknown as Log,
    setLevel(level) {
      logger.level = level;
    },
    reopen() {
      file.reopen();
    },
    flush() {
      for (const output of outputs) output.flush();
    },
  };
}

const secretFields: ReadonlySet<string> = new Set(["password", "privateKey"]);

/** The fields without secrets, of their own or of an object among them; the same object where there are none. */
function withoutSecrets(fields: Record<string, unknown>): Record<string, unknown> {
  let clean = fields;
  for (const name of Object.keys(fields)) {
    const value = fields[name];
    if (secretFields.has(name)) clean = without(clean, [name]);
    else if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      const secrets = Object.keys(value).filter((inner) => secretFields.has(inner));
      if (secrets.length > 0) clean = { ...clean, [name]: without(value, secrets) };
    }
  }
  return clean;
}
/** A copy of the same kind: an error stays one, and is written as one. */
function without<T extends object>(value: T, names: readonly string[]): T {
  const copy = Object.create(Object.getPrototypeOf(value)) as T;
  // The value and not its descriptor: an error's stack is an accessor that answers only for the error itself.
  for (const [name, { enumerable }] of Object.entries(Object.getOwnPropertyDescriptors(value)))
    if (!names.includes(name))
      Object.defineProperty(copy, name, { value: value[name as keyof T], enumerable });
  return copy;
}
