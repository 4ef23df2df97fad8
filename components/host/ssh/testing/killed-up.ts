/**
 * An `up` on a machine that kills itself with SIGKILL as soon as a resource has been made there and before the state says so.
 * Usage: node killed-up.ts <backend> <address> <key file> <host key> <name of the resource>
 */
import "../../../engine/lazy/sdk.ts";

import { up } from "../../../engine/operations.ts";
import { SecretsManager } from "../../../engine/state/passphrase.ts";
import { StackFiles } from "../../../engine/state/stack-files.ts";
import { PASSPHRASE } from "../../../engine/testing/stack.ts";
import { createProvider } from "../../../provider/provider.ts";
import { machineStack } from "./machine-stack.ts";

const [backend = "", address = "", key = "", hostKey = "", fatal = ""] = process.argv.slice(2);

const provider = () => {
  const real = createProvider();
  const create = real.create.bind(real);
  real.create = async (request) => {
    const made = await create(request);
    if (request.name === fatal) process.kill(process.pid, "SIGKILL");
    return made;
  };
  return real;
};

const result = await up(
  {
    files: new StackFiles(backend, "project", "test"),
    secrets: (salt) =>
      salt === undefined
        ? SecretsManager.create(PASSPHRASE)
        : SecretsManager.open(PASSPHRASE, salt, "the test stack"),
    providers: { mailkeep: provider },
    emit: () => {},
  },
  { directory: process.cwd(), config: {}, secretKeys: [], load: machineStack({ address, key, hostKey }) },
);
process.exit(result.succeeded ? 0 : 1);
