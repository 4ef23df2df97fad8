/** Declared certificates; `tls/local-authority.ts` issues and renews, or `tls/acme/`. Remove leaves the files: a server may serve them still. */
import { isIP } from "node:net";
import { join } from "node:path";
import { mailDomain } from "../config/address.ts";
import { removeDurably } from "../config/durable-file.ts";
import { readStackObject, removeStackObject, writeStackObject } from "../config/stack/files.ts";
import {
  type AcmeIssuer,
  type CertificateIssuer,
  secretOf,
  withoutSecret,
} from "../settings/certificate-issuer.ts";
import type { Directories } from "../settings/directories.ts";
import { writeRenewalStatus } from "../tls/acme/renewal-status.ts";
import { acmeStates } from "../tls/acme/renewals.ts";
import { announcedKeys } from "../tls/announced-keys.ts";
import { keyFolder, spkiSha256 } from "../tls/certificate-files.ts";
import {
  ensureCertificate,
  interimCertificate,
  readCertificate,
  readServedCertificate,
} from "../tls/local-authority.ts";
import { acmeProgress } from "./acme-progress.ts";
import { type AdminContext, OperationError, type Performers } from "./context.ts";
import { machineId } from "./machine-id.ts";

export const certificateOperations: Performers<
  "certificate.put" | "certificate.read" | "certificate.remove" | "certificate.order" | "certificate.renew"
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
      const further = await rsaDigests(directories.state, names[0]!, issuer);
      return { ...issued, ...further, ...(await progress(directories, names[0]!)) };
    },
  },
  "certificate.read": {
    effect: "reads",
    async perform({ names: texts, secret }, { directories }) {
      const names = canonical(texts);
      const object = await readStackObject(directories.config, "certificates", names[0]!);
      const declared = object && {
        issuer: withoutSecret(object.issuer),
        ...(secret !== undefined && { secretMatches: secretOf(object.issuer) === secret }),
      };
      const facts =
        object?.issuer.type === "acme"
          ? await readServedCertificate(directories, names[0]!)
          : await readCertificate(directories, names);
      const exists = object !== undefined && facts !== undefined;
      return {
        exists,
        ...declared,
        ...facts,
        ...(object && (await rsaDigests(directories.state, names[0]!, object.issuer))),
        ...(await progress(directories, names[0]!)),
        owner: object?.owner,
      };
    },
  },
  "certificate.order": {
    effect: "changes",
    async perform({ names }, context) {
      const states = await orderable(names, context);
      const waiting = states.filter(({ issued, status: { lastFailureAt = 0, retryAfterMs = 0 } }) => {
        return !issued && lastFailureAt + retryAfterMs <= Date.now();
      });
      for (const state of waiting) {
        const { declaration, certificate } = state.status;
        await writeRenewalStatus(context.directories.state, state, { declaration, certificate, failures: 0 });
      }
      return { ordered: waiting.length > 0 };
    },
  },
  "certificate.renew": {
    effect: "changes",
    async perform({ names }, context) {
      const states = await orderable(names, context);
      for (const state of states) {
        const { declaration, certificate, fingerprint, issuedAt } = state.status;
        const kept = {
          declaration,
          certificate,
          ...(fingerprint !== undefined && { fingerprint, issuedAt }),
        };
        await writeRenewalStatus(context.directories.state, state, {
          ...kept,
          failures: 0,
          askedAt: Date.now(),
        });
      }
      const what = `${states[0]?.names.join(", ")} is ordered anew`;
      return {
        lines: [`${what}; 'tls status' shows how far it is, and what serves now goes on until then.`],
      };
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

/** The orders of a declaration. Behind a change of their files they are looked at again, so that writing it down is asking for it. */
async function orderable(texts: readonly string[], { directories, live }: AdminContext) {
  const name = canonical(texts)[0]!;
  if (live === undefined)
    throw new OperationError("not-running", "no server runs here, so nobody would order: start it first");
  const states = await acmeStates(directories, name);
  if (states.length === 0)
    throw new OperationError("not-found", `${name}: no certificate is declared that an authority makes`);
  return states;
}

/** Makes the RSA keys that are declared, and takes a certificate out of use that is not declared any more. */
async function rsaDigests(state: string, firstName: string, issuer: CertificateIssuer) {
  const folder = keyFolder(state, firstName, "rsa");
  if (issuer.type !== "acme" || !issuer.keyTypes.includes("rsa")) {
    await removeDurably(join(folder, "fullchain.pem"));
    return {};
  }
  const { current, next } = await announcedKeys(folder, "rsa");
  return { rsaSpkiSha256: spkiSha256(current), nextRsaSpkiSha256: spkiSha256(next) };
}

/** How far the order is; nothing where the host's own authority issues. */
async function progress(directories: Directories, firstName: string) {
  return acmeProgress(await acmeStates(directories, firstName));
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
