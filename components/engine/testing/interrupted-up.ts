/**
 * A run of `up` that is killed with SIGKILL at the n-th call of its provider, for `interruption.test.ts`.
 * Usage: node interrupted-up.ts <backend> <root> <n>
 */
import { up } from "../operations.ts";
import { SecretsManager } from "../state/passphrase.ts";
import { StackFiles } from "../state/stack-files.ts";
import { fileProvider } from "./file-provider.ts";
import { afterwards } from "./interrupted-program.ts";
import { PASSPHRASE } from "./stack.ts";

const [backend = "", root = "", killAt = ""] = process.argv.slice(2);
let calls = 0;
const interrupt = () => {
  calls += 1;
  if (calls === Number(killAt)) process.kill(process.pid, "SIGKILL");
};
const result = await up(
  {
    files: new StackFiles(backend, "project", "test"),
    secrets: (salt) =>
      salt === undefined
        ? SecretsManager.create(PASSPHRASE)
        : SecretsManager.open(PASSPHRASE, salt, "the test stack"),
    providers: { files: () => fileProvider({ directory: root, interrupt }) },
    emit: () => {},
    parallel: 1,
  },
  { directory: process.cwd(), config: {}, secretKeys: [], load: async () => afterwards() },
);
process.exit(result.succeeded ? 0 : 1);
