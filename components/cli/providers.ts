/** The providers the embedded engine has: one, our own. Loaded when an operation needs it. */
import type { ProviderFactory } from "../engine/provider.ts";

type Say = (urn: string, message: string) => void;

/** `warn` takes what a provider wants to say about a resource without failing, `inform` how far something is. */
export async function providerFactories(warn: Say, inform: Say): Promise<Record<string, ProviderFactory>> {
  const { createProvider } = await import("../provider/provider.ts");
  return { mailkeep: () => createProvider({ warn, inform }) };
}
