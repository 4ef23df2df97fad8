/** The kinds of values that properties of several resources share. */
import { z } from "zod";
import { hostName as canonicalHostName } from "../../mailserver-runtime/dns/records.ts";
import { canonicalAddress, parseDomain } from "../accounts/address.ts";

function canonical(form: (text: string) => string) {
  return (text: string, context: z.RefinementCtx): string => {
    try {
      return form(text);
    } catch (error) {
      context.addIssue({ code: "custom", message: error instanceof Error ? error.message : String(error) });
      return z.NEVER;
    }
  };
}

/** A mail domain, in any case, IDN in either form. */
export const domain = z.string().transform(canonical(parseDomain));

/** A name that can be connected to (RFC 1123 §2.1). */
export const hostName = z.string().transform(canonical(canonicalHostName));

/** A name a certificate may be for: a host's, or `*.` and a name (RFC 6125 §6.4.3). */
export const certificateName = z
  .string()
  .transform(
    canonical((text) =>
      text.startsWith("*.") ? `*.${canonicalHostName(text.slice(2))}` : canonicalHostName(text),
    ),
  );

/** A mail address. */
export const address = z.string().transform(canonical(canonicalAddress));

/** What an alias may stand for: an address, or `@domain` for every address of a domain that nothing else takes. */
export const aliasAddress = z
  .string()
  .transform(
    canonical((text) => (text.startsWith("@") ? `@${parseDomain(text.slice(1))}` : canonicalAddress(text))),
  );

/** A DKIM selector (RFC 6376 §3.1). */
export const selector = z
  .string()
  .regex(
    /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/,
    "labels of a-z, 0-9 and - with dots between them",
  );
