/** Declared certificates; `tls/local-authority.ts` issues and renews, or `tls/acme/`. Remove leaves the files: a server may serve them still. */
import { isIP } from "node:net";
import { mailDomain } from "../config/address.ts";
import { readStackObject, removeStackObject, writeStackObject } from "../config/stack/files.ts";
import type { AcmeIssuer } from "../settings/certificate-issuer.ts";
import type { Directories } from "../settings/directories.ts";
import { acmeState } from "../tls/acme/renewals.ts";
import {
  ensureCertificate,
  interimCertificate,
  readCertificate,
  readServedCertificate,
} from "../tls/local-authority.ts";
import { OperationError, type Performers } from "./context.ts";
import { machineId } from "./machine-id.ts";

export const certificateOperations: Performers<
  "certificate.put" | "certificate.read" | "certificate.remove"
> = {
  "certificate.put": {
    effect: "changes",
    async perform({ names: texts, issuer, owner }, { directories, live }) {
      const names = canonical(texts);
      if (issuer.type === "acme") refuseUnprovable(names, issuer);
      const machine = await machineId(directories.state);
      const issued =
        issuer.type === "acme"
          ? await interimCertificate(directories, names, machine)
          : await ensureCertificate(directories, names, machine);
      await writeStackObject(directories.config, "certificates", { names, issuer, owner });
      if (issuer.type === "acme" && live?.reload !== undefined) await live.reload();
      return { ...issued, ...(await progress(directories, names[0]!)) };
    },
  },
  "certificate.read": {
    effect: "reads",
    async perform({ names: texts }, { directories }) {
      const names = canonical(texts);
      const object = await readStackObject(directories.config, "certificates", names[0]!);
      const facts =
        object?.issuer.type === "acme"
          ? await readServedCertificate(directories, names[0]!)
          : await readCertificate(directories, names);
      const exists = object !== undefined && facts !== undefined;
      return { exists, ...facts, ...(await progress(directories, names[0]!)), owner: object?.owner };
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

/** How far the order is; nothing where the host's own authority issues. */
async function progress(directories: Directories, firstName: string) {
  const acme = await acmeState(directories, firstName);
  if (acme === undefined) return {};
  const { issued, dueAt, status } = acme;
  const nextOrder = new Date(Math.max(dueAt, 0)).toISOString();
  return { issued, nextOrder, ...(status.lastError !== undefined && { lastError: status.lastError }) };
}

/** What no authority will ever certify is said at once, and not after its first refusal. */
function refuseUnprovable(names: readonly string[], { challenge }: AcmeIssuer): void {
  for (const name of names) {
    if (isIP(name) !== 0 || !name.includes("."))
      throw new OperationError(
        "invalid",
        `${name}: an authority certifies host names of the public DNS only`,
      );
    if (name.startsWith("*.") && challenge.type !== "dns-01")
      throw new OperationError(
        "invalid",
        `${name}: a wildcard can be proven by dns-01 only, not by ${challenge.type}`,
      );
  }
}

/** Each name once, in the order given; a wildcard keeps its star. */
function canonical(texts: readonly string[]): string[] {
  const names = texts.map((text) => {
    if (isIP(text) !== 0) return text;
    return text.startsWith("*.") ? `*.${mailDomain(text.slice(2))}` : mailDomain(text);
  });
  return [...new Set(names)];
}
