/** A whole server with clamd declared in its settings, from SMTP to the metrics. */
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { test } from "node:test";
import { needs } from "../../../test/support/tools.ts";
import { directoryWith, serve } from "../../dns/test-support.ts";
import { runningServer, zone } from "../../server-for-tests.ts";
import { listens } from "./engine-for-tests.ts";

const SIGN = "a-virus-of-this-test-only";

test("a server whose settings name clamd refuses what clamd finds, and counts it in its metrics", async (t) => {
  if (!needs(t, "clamd", "swaks", "knotd")) return;
  const directory = await directoryWith(t, {});
  await mkdir(`${directory}/db`);
  await writeFile(`${directory}/db/test.ndb`, `Test-Virus:0:*:${Buffer.from(SIGN).toString("hex")}\n`);
  await writeFile(
    `${directory}/clamd.conf`,
    `DatabaseDirectory ${directory}/db\nOfficialDatabaseOnly no\nLocalSocket ${directory}/socket\nForeground yes\nUser ${userInfo().username}\n`,
  );
  const address = `${directory}/socket`;
  await serve(t, "clamd", ["-c", `${directory}/clamd.conf`], () => listens({ path: address }));
  const server = await runningServer(t, {
    zones: { "green.test": zone("mail A 127.0.0.1\n"), "source.test": zone("client A 127.0.0.1\n") },
    settings: { engines: { list: [{ type: "clamd", address, onFailure: "tempfail" }] } },
  });
  await server.ask("domain.put", { domain: "green.test", owner: "test" });
  const password = { text: "secret", policy: "initial" };
  await server.ask("mailbox.put", { address: "ann@green.test", owner: "test", password });
  const send = (body: string) =>
    server.swaks(
      "--from",
      "eve@source.test",
      "--to",
      "ann@green.test",
      "--header",
      "Subject: hello",
      "--body",
      body,
    );
  assert.match((await send("clean")).text, /250 2\.0\.0 Ok/);
  assert.match(
    (await send(SIGN)).text,
    /550 5\.7\.1 Rejected: this message has a virus \(Test-Virus\.UNOFFICIAL\)/,
  );
  assert.equal((await server.mail("green.test/ann")).length, 1);
  const { text } = (await server.ask("metrics", {})) as { text: string };
  assert.match(text, /^mailkeep_engine_messages_total\{engine="clamd",outcome="answered"\} 2$/m);
});
