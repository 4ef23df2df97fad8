import assert from "node:assert/strict";
import * as fs from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { test } from "node:test";
import { perform } from "./admin/operations.ts";
import { startServer } from "./server.ts";
import { directoriesBelow } from "./settings/directories.ts";

const version = "0.0.0-test";

test("a second server on the same data is refused before it touches queue or spool, and the first goes on", async (t) => {
  const root = await fs.mkdtemp(path.join(os.tmpdir(), "mailkeep-server-"));
  t.after(() => fs.rm(root, { recursive: true, force: true }));
  const directories = directoriesBelow(root);
  const owner = "test";
  const settings = {
    hostname: "mail.green.test",
    listeners: [{ protocol: "smtp" as const, address: "127.0.0.1", port: 0 }],
    dns: { servers: ["127.0.0.1:9"] },
  };
  await perform("settings.put", { settings, owner }, { directories, version });
  await perform(
    "certificate.put",
    { names: ["mail.green.test"], issuer: { type: "local-ca" }, owner },
    { directories, version },
  );
  const options = { directories, env: {}, version, logToStdout: false, onStopRequested: () => {} };
  const first = await startServer(options);
  const underWay = path.join(directories.state, "incoming", `incoming-${"0".repeat(24)}`);
  await fs.writeFile(underWay, "a message that is being received");
  await assert.rejects(startServer(options), /another server runs on .*run; stop it first/);
  await fs.access(underWay);
  assert.equal(first.listeners().length, 1);
  await first.stop(1000);
  const again = await startServer(options);
  await assert.rejects(fs.access(underWay), "what a dead server left in the spool is swept away at a start");
  await again.stop(1000);
});
