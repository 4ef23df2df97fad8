// The double as a plugin of the Pulumi CLI, where the real one is not installed. Plain JavaScript for the reason that
// components/provider/index.js gives.
import { runProviderHost } from "../../../../components/provider/host.ts";
import { cloudflareDouble } from "../plugin-double.ts";

const [engineAddress] = process.argv.slice(2).filter((argument) => !argument.startsWith("-"));

runProviderHost(engineAddress, () => cloudflareDouble()).catch((error) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
