/** The providers the embedded engine has: one, our own. Loaded when an operation needs it. */
import type { ProviderFactory } from "../engine/provider.ts";

export async function providerFactories(): Promise<Record<string, ProviderFactory>> {
  const { createProvider } = await import("../provider/provider.ts");
  return { mailkeep: () => createProvider() };
}
