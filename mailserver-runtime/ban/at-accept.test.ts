/** What a refused client sees of a listener: no byte, an end or a reset, by its own address also behind a proxy. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";
import { listen } from "../net/listen.ts";
import { silentLog } from "../net/log.ts";

async function greeter(t: TestContext, way: "drop" | "reject", proxyProtocol: string[] = []) {
  let sessions = 0;
  const listening = await listen({
    listener: { protocol: "smtp", address: "127.0.0.1", port: 0, proxyProtocol },
    tls: undefined,
    refuses: (address) => (address === "127.0.0.2" || address === "192.0.2.1" ? way : undefined),
    onConnection: (connection) => {
      sessions++;
      connection.write("220 here\r\n");
    },
    log: silentLog,
  });
  t.after(() => listening.close(0));
  return { port: listening.port, sessions: () => sessions };
}

function said(port: number, localAddress: string, first = ""): Promise<{ text: string; error?: string }> {
  return new Promise((resolve) => {
    let text = "";
    let error: string | undefined;
    const socket = connect({ port, host: "127.0.0.1", localAddress });
    if (first !== "") socket.write(first);
    socket.setEncoding("utf8").on("data", (chunk) => {
      text += chunk;
    });
    socket.on("error", (failure: NodeJS.ErrnoException) => {
      error = failure.code;
    });
    socket.on("close", () => resolve(error === undefined ? { text } : { text, error }));
  });
}

test("a refused address hears nothing: its connection is ended, or reset where that is asked for", async (t) => {
  const dropping = await greeter(t, "drop");
  assert.deepEqual(await said(dropping.port, "127.0.0.2"), { text: "" });
  assert.deepEqual(await said(dropping.port, "127.0.0.3"), { text: "220 here\r\n" });
  assert.equal(dropping.sessions(), 1);
  const rejecting = await greeter(t, "reject");
  assert.deepEqual(await said(rejecting.port, "127.0.0.2"), { text: "", error: "ECONNRESET" });
  assert.equal(rejecting.sessions(), 0);
});

test("behind a proxy the address in the PROXY header counts, not the proxy's own", async (t) => {
  const { port, sessions } = await greeter(t, "drop", ["127.0.0.2"]);
  const banned = await said(port, "127.0.0.2", "PROXY TCP4 192.0.2.1 192.0.2.9 1000 25\r\n");
  assert.equal(banned.text, "");
  assert.equal(sessions(), 0);
  const other = await said(port, "127.0.0.2", "PROXY TCP4 192.0.2.2 192.0.2.9 1000 25\r\n");
  assert.equal(other.text, "220 here\r\n");
});
