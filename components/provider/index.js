// The plugin's entry: PulumiPlugin.yaml names this folder, the CLI's Node host runs it with the engine's address.
// It is plain JavaScript because that host puts ts-node before every `.ts` it requires; what is imported from here is
// read by Node itself.
import { runProviderHost } from "./host.ts";

const [engineAddress] = process.argv.slice(2).filter((argument) => !argument.startsWith("-"));

runProviderHost(engineAddress).catch((error) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
