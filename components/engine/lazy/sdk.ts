/**
 * Lets the Pulumi SDK load in half the time. With its first line the SDK loads the TypeScript compiler and npm's
 * arborist, which it needs to turn functions into text for dynamic providers; most stacks have none. Here both are
 * loaded when they are first used. Import this before anything that imports `@pulumi/pulumi`.
 */
import { registerHooks } from "node:module";

const LATER: Readonly<Record<string, string>> = {
  typescript: new URL("./typescript.cjs", import.meta.url).href,
  "@npmcli/arborist": new URL("./arborist.cjs", import.meta.url).href,
};

registerHooks({
  resolve(specifier, context, nextResolve) {
    const later = context.parentURL?.includes("/@pulumi/pulumi/") ? LATER[specifier] : undefined;
    return later === undefined ? nextResolve(specifier, context) : { url: later, shortCircuit: true };
  },
});
