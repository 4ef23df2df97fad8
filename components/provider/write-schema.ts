/** Writes schema.json anew: `node components/provider/write-schema.ts`, after a resource type has changed. */
import { writeFileSync } from "node:fs";
import { packageSchema } from "./schema.ts";

writeFileSync(
  new URL("./schema.json", import.meta.url),
  `${JSON.stringify(packageSchema(), undefined, 2)}\n`,
);
