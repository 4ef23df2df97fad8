/** The providers the embedded engine has: one, our own. Loaded when an operation needs it. */
import type { ProviderFactory } from "../engine/provider.ts";

/** `warn` takes what a provider wants to say about a resource without failing. */
export async function providerFactories(
  warn: (urn: string, message: string) => void,
): Promise<Record<string, ProviderFactory>> {
  const { createProvider } = await import("../provider/provider.ts");
  return { mailkeep: () => createProvider({ warn }) };
}
