/** The plugin's entry: PulumiPlugin.yaml names this folder, the CLI's Node host runs it with the engine's address. */
import { runProviderHost } from "./host.ts";

const [engineAddress] = process.argv.slice(2).filter((argument) => !argument.startsWith("-"));

runProviderHost(engineAddress).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
