import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { ListenError } from "./listen.ts";
import { type Listening, listen } from "./listen.ts";
import { silentLog } from "./log.ts";

async function place(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "mailkeep-socket-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return join(directory, "lmtp");
}
function serve(path: string, mode?: string): Promise<Listening> {
  return listen({
    listener: { protocol: "lmtp", address: "::", port: 0, path, mode, proxyProtocol: [] },
    tls: undefined,
    onConnection: async (connection) => connection.write(`from "${connection.remote.address}"\r\n`),
    refuses: () => "drop",
    log: silentLog,
  });
}
const code = (expected: ListenError["code"], text: RegExp) => (error: ListenError) => {
  assert.equal(error.code, expected);
  assert.match(error.message, text);
  return true;
};

test("a socket file has the mode it was given, serves who may open it, and is gone after the end", async (t) => {
  const path = await place(t);
  for (const [mode, expected] of [
    [undefined, 0o660],
    ["0600", 0o600],
    ["666", 0o666],
  ] as const) {
    const server = await serve(path, mode);
    assert.equal((await stat(path)).mode & 0o777, expected);
    const socket = connect({ path });
    const [heard] = await once(socket, "data");
    assert.equal(String(heard), 'from ""\r\n');
    socket.destroy();
    await server.close(0);
    await assert.rejects(stat(path), { code: "ENOENT" });
  }
});

test("the file of a dead server is taken over, a living one's and what is no socket are not", async (t) => {
  const path = await place(t);
  const script = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
  spawnSync(process.execPath, ["-e", script]);
  assert.ok((await stat(path)).isSocket(), "the killed process left its file");
  const server = await serve(path);
  await assert.rejects(serve(path), code("port-taken", /another process listens there/));
  const socket = connect({ path });
  assert.match(String((await once(socket, "data"))[0]), /^from/);
  socket.destroy();
  await server.close(0);
  await writeFile(path, "a person's file");
  await assert.rejects(serve(path), code("address", /a file that is no socket/));
  assert.equal((await stat(path)).size, 15);
});

test("a directory that is not there, or may not be written, is named", async (t) => {
  const path = await place(t);
  await assert.rejects(serve(join(path, "below")), code("address", /the directory .*lmtp does not exist/));
  if (process.getuid?.() === 0) return;
  await chmod(join(path, ".."), 0o500);
  await assert.rejects(serve(path), code("forbidden", /may not make files/));
});
