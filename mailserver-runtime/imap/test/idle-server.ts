/** An IMAP server in a process of its own, for tests that measure its memory; says its port, and ends with its standard input. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "../../net/log.ts";
import { openMaildirStore } from "../../store/maildir/store.ts";
import { startTestServer } from "./server.ts";

const root = mkdtempSync(join(tmpdir(), "mailkeep-idle-"));
const directories = { mail: join(root, "mail"), state: join(root, "state") };
const store = await openMaildirStore({ directories, log: silentLog });
const server = await startTestServer(store, { limits: { idleKeepAlive: 3_600_000 } });
process.stdout.write(`${server.port}\n`);
process.stdin.resume().on("end", async () => {
  await server.close();
  await store.close();
  rmSync(root, { recursive: true, force: true });
  process.exit(0);
});
