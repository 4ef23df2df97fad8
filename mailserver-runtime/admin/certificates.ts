/** Declared certificates; `tls/local-authority.ts` issues and renews. Remove leaves the files: a server may serve them still. */
import { isIP } from "node:net";
import { mailDomain } from "../config/address.ts";
import { readStackObject, removeStackObject, writeStackObject } from "../config/stack/files.ts";
import { ensureCertificate, readCertificate } from "../tls/local-authority.ts";
import type { Performers } from "./context.ts";
import { machineId } from "./machine-id.ts";

export const certificateOperations: Performers<
  "certificate.put" | "certificate.read" | "certificate.remove"
> = {
  "certificate.put": {
    effect: "changes",
    async perform({ names: texts, issuer, owner }, { directories }) {
      const names = canonical(texts);
      const issued = await ensureCertificate(directories, names, await machineId(directories.state));
      await writeStackObject(directories.config, "certificates", { names, issuer, owner });
      return issued;
    },
  },
  "certificate.read": {
    effect: "reads",
    async perform({ names: texts }, { directories }) {
      const names = canonical(texts);
      const object = await readStackObject(directories.config, "certificates", names[0]!);
      const facts = await readCertificate(directories, names);
      return { exists: object !== undefined && facts !== undefined, ...facts, owner: object?.owner };
    },
  },
  "certificate.remove": {
    effect: "changes",
    async perform({ names: texts, owner }, { directories }) {
      const name = canonical(texts)[0]!;
      const object = await readStackObject(directories.config, "certificates", name);
      if (object?.owner !== owner) return { removed: false };
      return { removed: await removeStackObject(directories.config, "certificates", name) };
    },
  },
};

/** Each name once, in the order given; a wildcard keeps its star. */
function canonical(texts: readonly string[]): string[] {
  const names = texts.map((text) => {
    if (isIP(text) !== 0) return text;
    return text.startsWith("*.") ? `*.${mailDomain(text.slice(2))}` : mailDomain(text);
  });
  return [...new Set(names)];
}
