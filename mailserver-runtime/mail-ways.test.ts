/** A running server's ways, with clients and servers that others have written: swaks, knot, smtp-sink. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { needs } from "../test/support/tools.ts";
import { perform } from "./admin/operations.ts";
import { until } from "./queue/queue-for-tests.ts";
import { type RunningServer, runningServer, sinkAt, version, zone } from "./server-for-tests.ts";

/** Another host of the loopback network, which is no interface's own address. */
const ELSEWHERE = "127.0.0.2";

const zones = {
  "green.test": zone("@ MX 10 mail\nmail A 127.0.0.1"),
  // The worse MX is this host: it must give the mail to the better one, and never to itself or to what is worse still.
  "backup.test": zone(
    `@ MX 10 primary\n@ MX 20 mail.green.test.\n@ MX 30 worse\nprimary A ${ELSEWHERE}\nworse A 127.0.0.3`,
  ),
  "away.test": zone(`@ MX 10 mx\nmx A ${ELSEWHERE}`),
  "source.test": zone(`@ MX 10 mx\nmx A ${ELSEWHERE}`),
};

const account = "ann@green.test|{PLAIN}secret\n";
const body = "A body with  two spaces,\ttabs, trailing blanks   \n\n\nFrom here on: .dots\nand the end";

test("a backup MX keeps mail for known recipients while the primary is away, and gives it to the primary alone (RFC 5321 §5.1)", async (t) => {
  if (!needs(t, "swaks", "knotd", "smtp-sink")) return;
  const backup = [{ domain: "backup.test", recipients: ["dan@backup.test"] }];
  const { swaks, ask, directories, outPort } = await runningServer(t, {
    zones,
    settings: { backup },
    files: { "postfix-accounts.cf": account },
  });
  const context = { directories, version };
  const unknown = await swaks("--from", "eve@source.test", "--to", "nobody@backup.test");
  assert.match(unknown.text, /550 5\.1\.1/);
  const relay = await swaks("--from", "eve@source.test", "--to", "x@away.test");
  assert.match(relay.text, /5\.7\.1/, "it is a backup for its own domains only");
  const sent = await swaks(
    ...[
      "--from",
      "eve@source.test",
      "--to",
      "dan@backup.test",
      "--header",
      "Message-Id: <backup@source.test>",
    ],
    ...["--body", body],
  );
  assert.equal(sent.code, 0, sent.text);
  const traced = async () =>
    (await perform("trace", { about: "<backup@source.test>" }, context)).lines.join("\n");
  await until(async () => /deferred for dan@backup\.test/.test(await traced()), "the first attempt");

  const received = await sinkAt(t, ELSEWHERE, outPort);
  await until(async () => {
    await ask("queue.retry", { select: { all: true } });
    return (await received()).length > 0;
  }, "the primary");
  const [message = ""] = await received();
  assert.match(message, /X-Mail-Args: <eve@source\.test>/, "the primary sees the sender as he is");
  assert.match(message, /X-Rcpt-Args: <dan@backup\.test>/);
  assert.ok(message.replaceAll("\r\n", "\n").includes(body));
  await until(
    async () => /delivered to dan@backup\.test at primary\.backup\.test/.test(await traced()),
    "the trace",
  );
  const way = await traced();
  assert.match(way, /^eve@source\.test → dan@backup\.test {2}<backup@source\.test>/);
  assert.match(way, /kept for the primary of dan@backup\.test/);
  assert.doesNotMatch(way, /worse|127\.0\.0\.3/);
  assert.match(way, /leaves the queue/);
  const { lines } = (await ask("explain", { address: "dan@backup.test" })) as {
    lines: string[];
  };
  assert.match(lines.join("\n"), /backup MX .*stack\/settings\.json:1[\s\S]*30 days/);
});

test("a forward leaves with a rewritten sender and an untouched body, a journal gets its copy, and the bounce finds its way back", async (t) => {
  if (!needs(t, "swaks", "knotd", "smtp-sink")) return;
  const files = {
    "postfix-accounts.cf": `${account}journal@green.test|{PLAIN}secret\n`,
    "postfix-virtual.cf": "away@green.test ann@green.test,x@away.test\n",
    "postfix-main.cf": "always_bcc = journal@green.test\n",
  };
  const { swaks, directories, outPort, mail } = await runningServer(t, { zones, files });
  const received = await sinkAt(t, ELSEWHERE, outPort);
  const sent = await swaks(
    ...["--from", "eve@source.test", "--to", "away@green.test", "--header", "Message-Id: <fwd@source.test>"],
    ...["--body", body],
  );
  assert.equal(sent.code, 0, sent.text);
  await until(async () => (await received()).length === 1, "the forward");
  const [message = ""] = await received();
  const sender = /X-Mail-Args: <(SRS0=\w+=\w+=source\.test=eve@green\.test)>/.exec(message)?.[1];
  assert.ok(sender, message);
  assert.ok(message.replaceAll("\r\n", "\n").includes(body));
  const stored = await onlyMail(mail, "green.test/journal");
  assert.match(
    stored,
    /^Return-Path: <eve@source\.test>\r\nX-Envelope-From: <eve@source\.test>\r\nX-Envelope-To: <away@green\.test>/,
  );
  assert.match(await onlyMail(mail, "green.test/ann"), /Message-Id: <fwd@source\.test>/);

  const bounce = await swaks("--from", "<>", "--to", sender, "--header", "Subject: bounce");
  assert.equal(bounce.code, 0, bounce.text);
  const forged = await swaks("--from", "<>", "--to", sender.replace("=eve@", "=bob@"));
  assert.match(forged.text, /550 5\.7\.1/);
  await until(async () => (await received()).length === 2, "the bounce");
  assert.match(
    (await received()).find((one) => /Subject: bounce/.test(one)) ?? "",
    /X-Rcpt-Args: <eve@source\.test>/,
  );
  const lines = (await perform("trace", { about: "x@away.test" }, { directories, version })).lines.join("\n");
  assert.match(lines, /forwarded to x@away\.test; copied to journal@green\.test/);
  assert.match(lines, /delivered to x@away\.test at mx\.away\.test/);
});

async function onlyMail(mail: RunningServer["mail"], account: string): Promise<string> {
  let messages: readonly string[] = [];
  await until(async () => {
    messages = await mail(account);
    return messages.length > 0;
  }, `mail in ${account}`);
  return messages[0]!;
}
