/** `setup debug`: looking at a running container from inside. */
import { spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { CommandError } from "../command.ts";
import type { SetupCommand } from "./table.ts";

const showMailLogs: SetupCommand = {
  name: "debug show-mail-logs",
  usage: "",
  summary: "prints the mail log",
  async run({ directories }) {
    const file = join(directories.log, "mail.log");
    try {
      await pipeline(createReadStream(file), process.stdout, { end: false });
    } catch (error) {
      throw new CommandError(`${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
    }
  },
};

const login: SetupCommand = {
  name: "debug login",
  usage: "[<COMMANDS>]",
  summary: "opens a shell, or runs commands in one",
  async run(_session, args) {
    const child = spawn("/bin/sh", args.length === 0 ? [] : ["-c", args.join(" ")], { stdio: "inherit" });
    const code = await new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (status) => resolve(status ?? 1));
    });
    if (code !== 0) throw new CommandError(`the shell ended with code ${code}`, code);
  },
};

export const debugCommands: readonly SetupCommand[] = [showMailLogs, login];
