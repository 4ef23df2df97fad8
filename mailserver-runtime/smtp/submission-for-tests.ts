/** A user's client inside TLS, for the tests of this room. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { connect as tlsConnect } from "node:tls";
import { Dialogue, type FixtureOptions, smtpServer } from "./testing.ts";

export const letter = "From: Ann <ann@example.org>\r\nTo: x@y.test\r\nSubject: hi\r\n\r\nbody\r\n";

export const plain = (user: string, password = "secret") =>
  `AUTH PLAIN ${Buffer.from(`\0${user}\0${password}`).toString("base64")}`;

/** A submission server and a client inside TLS; `user` logs in. */
export async function submission(t: TestContext, options: FixtureOptions & { readonly user?: string } = {}) {
  const { user, ...fixture } = options;
  const server = await smtpServer(t, { mode: "submission", implicitTls: true, ...fixture });
  const socket = tlsConnect({ port: server.port, host: "127.0.0.1", rejectUnauthorized: false });
  t.after(() => socket.destroy());
  const dialogue = new Dialogue(socket);
  await dialogue.hear();
  const hello = await dialogue.say("EHLO laptop.local");
  if (user !== undefined) assert.match(await dialogue.say(plain(user)), /^235 2\.7\.0/);
  return { server, dialogue, hello };
}
export async function submit(
  dialogue: Dialogue,
  to: readonly string[],
  message: string,
  from = "ann@example.org",
  parameters = "",
) {
  assert.match(await dialogue.say(`MAIL FROM:<${from}>${parameters}`), /^250/);
  for (const address of to) assert.match(await dialogue.say(`RCPT TO:<${address}>`), /^250/, address);
  await dialogue.say("DATA");
  dialogue.send(`${message}.\r\n`);
  return dialogue.hear();
}
