/** Writes docs/reference/settings.md from the schema: `node mailserver-runtime/settings/write-reference.ts`. */
import { writeFileSync } from "node:fs";
import { settingsReference } from "./reference.ts";

writeFileSync(new URL("../../docs/reference/settings.md", import.meta.url), settingsReference());
