/** What goes over one connection: mail of several domains with one host, and as many domains as a host takes at once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { opportunisticDemand } from "./client/tls-policy.ts";
import { submission, testQueue, until } from "./queue-for-tests.ts";
import { scriptedServer } from "./scripted-server.ts";

/** The receiver has one connection, so that the second domain's mail is there when the first one's ends. */
const delivery = { connections: 1 };

test("domains with the same MX host share a session (RFC 5321 §4.5.4.1)", async (t) => {
  const server = await scriptedServer();
  t.after(() => server.close());
  const { queue } = await testQueue(t, server.port, { delivery });
  for (let count = 0; count < 3; count++)
    for (const domain of ["sink.test", "other.test"]) await queue.enqueue(submission(`bob@${domain}`));
  await until(() => queue.counts().delivered === 6, "all six");
  assert.equal(server.connections(), 1);
  assert.deepEqual(
    new Set(server.messages.flatMap(({ recipients }) => recipients)),
    new Set(["RCPT TO:<bob@sink.test>", "RCPT TO:<bob@other.test>"]),
  );
});

test("a session that the host ends while it rests costs nobody an attempt", async (t) => {
  const server = await scriptedServer({
    // Taken, and then gone: the next command on this connection meets nobody.
    answer: (line, connection) =>
      line.startsWith("MAIL") && connection === 1 && server.messages.length > 0 ? "drop" : undefined,
  });
  t.after(() => server.close());
  const { queue } = await testQueue(t, server.port, { delivery });
  await queue.enqueue(submission("bob@sink.test"));
  const { id } = await queue.enqueue(submission("bob@other.test"));
  await until(() => queue.counts().delivered === 2, "both");
  assert.equal(server.connections(), 2);
  assert.equal(await queue.operator.show(id), undefined);
});

test("a domain that asks something of TLS has a session of its own, and so has a message that does", async (t) => {
  const server = await scriptedServer();
  t.after(() => server.close());
  const { queue } = await testQueue(t, server.port, {
    delivery,
    tlsDemand: async (domain) =>
      domain === "other.test"
        ? { ...opportunisticDemand, basis: { ...opportunisticDemand.basis, type: "sts" } }
        : opportunisticDemand,
  });
  await queue.enqueue(submission("bob@sink.test"));
  await queue.enqueue(submission("bob@other.test"));
  const message = submission("bob@sink.test");
  await queue.enqueue({ ...message, envelope: { ...message.envelope, tlsOptional: true } });
  await until(() => queue.counts().delivered === 3, "all three");
  assert.equal(server.connections(), 3);
});

test("a relay that takes few domains in one transaction gets them one after the other (RFC 9422 RCPTDOMAINMAX)", async (t) => {
  const server = await scriptedServer({ extensions: ["LIMITS RCPTMAX=3 RCPTDOMAINMAX=1"] });
  t.after(() => server.close());
  const relay = { host: "mx.test", port: server.port, tls: "opportunistic" } as const;
  const { queue } = await testQueue(t, 9, { relayFor: () => relay });
  const to = ["a@one.test", "b@two.test", "c@one.test", "d@one.test", "e@one.test"];
  await queue.enqueue(submission(to));
  await until(() => queue.counts().delivered === 5, "all five");
  assert.deepEqual(
    server.messages.map(({ recipients }) => recipients.map((line) => line.slice("RCPT TO:".length))),
    [["<a@one.test>", "<c@one.test>", "<d@one.test>"], ["<b@two.test>"], ["<e@one.test>"]],
  );
  assert.equal(server.connections(), 1);
});
