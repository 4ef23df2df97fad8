/**
 * Traefik's `acme.json`: the certificates that a Traefik in front orders, and keeps for each of its resolvers. Version 2 and 3
 * write `{"<resolver>": {"Certificates": [{"domain": {"main", "sans"}, "certificate", "key"}]}}`, version 1 the inner object
 * alone and in capitals. Certificates and keys are Base64 of PEM. Pure.
 */
import { z } from "zod";

const domain = z.object({ main: z.string(), sans: z.array(z.string()).nullish() });
const entry = z.object({ domain, certificate: z.base64().min(1), key: z.base64().min(1) });

export interface StoredPair {
  /** PEM, leaf first. */
  readonly chain: string;
  readonly key: string;
}

/**
 * The first certificate for the first of these names that has one; undefined where none has.
 *
 * @throws Error that says what the text is not
 */
export function traefikPair(text: string, names: readonly string[]): StoredPair | undefined {
  const stored = certificatesOf(lowerCased(JSON.parse(text)));
  for (const name of names)
    for (const { domain: of, certificate, key } of stored)
      if ([of.main, ...(of.sans ?? [])].some((one) => one.toLowerCase() === name.toLowerCase()))
        return { chain: decoded(certificate), key: decoded(key) };
  return undefined;
}

function certificatesOf(file: unknown): z.output<typeof entry>[] {
  const resolvers = z.record(z.string(), z.unknown()).parse(file);
  const lists = "certificates" in resolvers ? [resolvers] : Object.values(resolvers);
  return lists.flatMap((resolver) => {
    const list = (resolver as { certificates?: unknown } | null)?.certificates;
    if (!Array.isArray(list)) return [];
    return list.flatMap((one) => {
      // One that is not complete yet is no reason to lose the others.
      const read = entry.safeParse(one);
      return read.success ? [read.data] : [];
    });
  });
}

/** The same with all keys in lower case: the versions differ in nothing else. */
function lowerCased(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(lowerCased);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key.toLowerCase(), lowerCased(inner)]),
  );
}

const decoded = (base64: string) => Buffer.from(base64, "base64").toString("utf8");
