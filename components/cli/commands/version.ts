import { readFileSync } from "node:fs";
import type { Command } from "../command.ts";

export const version: Command = {
  name: "version",
  summary: "say which version this is",
  options: {},
  async run() {
    const manifest = readFileSync(new URL("../../../package.json", import.meta.url), "utf8");
    process.stdout.write(`mailkeep ${JSON.parse(manifest).version} on Node ${process.versions.node}\n`);
    return 0;
  },
};
