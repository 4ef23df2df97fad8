/**
 * The gate behind a certificate by ACME: it is there when the authority's certificate is in place on the host, and waits for
 * the first one. An order that fails is told with the authority's reason, as soon as no further one can succeed in time; the
 * host goes on ordering, and the next `up` asks again.
 */
import { setTimeout as wait } from "node:timers/promises";
import { z } from "zod";
import { HostError } from "../../host/host-error.ts";
import { certificateName } from "../fields.ts";
import { type Action, resourceType } from "../resource-type.ts";

/** Between two looks at the order. */
const PAUSE_MS = 500;
/** How soon, and how often, a person is told what is waited for. */
const TELL_MS = 5_000;

export const issuedCertificate = resourceType({
  token: "mailkeep:index:IssuedCertificate",
  description: "A certificate by ACME, issued: waits for the first one.",
  inputs: z.object({
    name: certificateName.meta({ description: "The certificate's first name." }),
    declaration: z
      .string()
      .meta({ description: "What it is to be, as text: names, authority, keys. Another text waits again." }),
  }),
  facts: z.object({}),
  identity: ["name"],
  secrets: [],
  id: (inputs) => inputs.name,
  async put(action, { name }) {
    await issued(action, name);
    return {};
  },
  async read({ host, limit, owner }, id, declared) {
    const answer = await host.perform("certificate.read", { names: [id] }, limit);
    if (!answer.exists || answer.issued !== true) return undefined;
    return { inputs: { name: id, declaration: declared?.declaration ?? "" }, facts: {}, owner };
  },
  // There is nothing to end: the certificate is its own resource.
  async remove() {},
});

/** @throws {HostError} "certificate-pending" with the authority's last word and when the host tries again */
async function issued({ host, limit, tell }: Action, name: string): Promise<void> {
  const begin = Date.now();
  let told = begin;
  // Whoever runs `up` again has mended something: the back-off is for when nobody looks.
  await host.perform("certificate.order", { names: [name] }, limit);
  for (;;) {
    const { exists, issued, lastError, nextOrder, issuer } = await host.perform(
      "certificate.read",
      { names: [name] },
      limit,
    );
    if (!exists)
      throw new HostError("not-found", `${name}: the certificate is not declared on the host any more.`);
    if (issued === true) return;
    const directory = issuer?.type === "acme" ? issuer.directory : "its authority";
    const next = nextOrder === undefined ? Number.POSITIVE_INFINITY : Date.parse(nextOrder);
    if (lastError !== undefined && next > limit.deadline)
      throw new HostError(
        "certificate-pending",
        `${name}: ${directory} has not issued its certificate. ${lastError}. The host serves one of its own authority and orders again at ${nextOrder}; 'up' orders at once.`,
      );
    const waited = Math.round((Date.now() - begin) / 1000);
    if (Date.now() + PAUSE_MS >= limit.deadline || limit.signal?.aborted)
      throw new HostError(
        "certificate-pending",
        `${name}: ${directory} has not issued its certificate within ${waited} s; the host goes on waiting for it, and the next 'up' looks again.`,
      );
    if (Date.now() - told >= TELL_MS) {
      told = Date.now();
      const reason = lastError === undefined ? "" : `; last refusal: ${lastError}`;
      tell(`waits for ${directory} to issue the certificate of ${name} (${waited} s)${reason}`);
    }
    await wait(PAUSE_MS);
  }
}
