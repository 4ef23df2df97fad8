/** A domain's DKIM keys as a host begins with them: one that signs, one that follows, and a selector that is free. */
const ROLES = { mk1: "current", mk2: "next", mk3: "revoked" } as const;

export function ringOfKeys(publicKeyOf: (selector: string) => string) {
  return Object.entries(ROLES).map(([selector, role]) => ({
    selector,
    role,
    algorithm: "rsa-2048" as const,
    publicKey: role === "revoked" ? "" : publicKeyOf(selector),
  }));
}
