/** The settings that a stack declares, config/stack/settings.json. */

import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { removeDurably } from "../config/durable-file.ts";
import { readStackSettings, STACK_SETTINGS, writeStackSettings } from "../config/stack/files.ts";
import type { Settings } from "../settings/schema.ts";
import type { Performers } from "./context.ts";

/** Settings that are read once: sockets are bound and certificates chosen at start. Everything else is looked up in the snapshot. */
const needRestart: Readonly<Record<string, (settings: Settings) => unknown>> = {
  hostname: (settings) => settings.hostname,
  listeners: (settings) => settings.listeners,
  "tls.level": (settings) => settings.tls.level,
  "dns.servers": (settings) => settings.dns.servers,
  "dns.authoritative": (settings) => settings.dns.authoritative,
};

export const settingsOperations: Performers<"settings.put" | "settings.read" | "settings.remove"> = {
  "settings.put": {
    effect: "changes",
    async perform({ settings, owner }, { directories, startedWith: running }) {
      await writeStackSettings(directories.config, { owner, settings });
      const restartNeeded =
        running === undefined
          ? []
          : Object.entries(needRestart)
              .filter(([, part]) => !isDeepStrictEqual(part(running), part(settings)))
              .map(([name]) => name);
      return { restartNeeded };
    },
  },
  "settings.read": {
    effect: "reads",
    async perform(_request, { directories }) {
      return (await readStackSettings(directories.config)) ?? {};
    },
  },
  "settings.remove": {
    effect: "changes",
    async perform({ owner }, { directories }) {
      const present = await readStackSettings(directories.config);
      if (present?.owner !== owner) return { removed: false };
      return { removed: await removeDurably(join(directories.config, STACK_SETTINGS)) };
    },
  },
};
