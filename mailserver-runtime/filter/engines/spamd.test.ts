/** SpamAssassin's spamd itself, with one rule. */
import assert from "node:assert/strict";
import { chmod, copyFile, mkdir, writeFile } from "node:fs/promises";
import { type TestContext, test } from "node:test";
import { needs } from "../../../test/support/tools.ts";
import { directoryWith, freePort, serve } from "../../dns/test-support.ts";
import { memoryContent } from "../../message/content.ts";
import { learnersOf } from "./engine-checks.ts";
import { engineSettings, filterWith, inbound, letter, listens } from "./engine-for-tests.ts";

async function runningSpamd(t: TestContext): Promise<string> {
  const port = await freePort();
  const directory = await directoryWith(t, {});
  for (const name of ["rules", "site", "bayes"]) await mkdir(`${directory}/${name}`);
  await writeFile(
    `${directory}/rules/20_test.cf`,
    [
      "clear_report_template",
      "report Content analysis details: (_SCORE_ points, _REQD_ required)",
      "report",
      'report " pts rule name              description"',
      "report _SUMMARY_",
      "header SAYS_PILLS Subject =~ /pills/i",
      "score SAYS_PILLS 7.5",
      "describe SAYS_PILLS The subject says pills",
      "header SAYS_HELLO Subject =~ /hello/i",
      "score SAYS_HELLO -1.3",
      "describe SAYS_HELLO A greeting",
    ].join("\n"),
  );
  await writeFile(
    `${directory}/site/local.cf`,
    `required_score 5\nuse_bayes 1\nbayes_path ${directory}/bayes/db\nbayes_file_mode 0777\nskip_rbl_checks 1\ndns_available no\n`,
  );
  for (const name of ["init.pre", "v320.pre"])
    await copyFile(`/etc/spamassassin/${name}`, `${directory}/site/${name}`);
  // Started as root it judges as nobody.
  for (const name of ["", "rules", "site"]) await chmod(`${directory}/${name}`, 0o755);
  await chmod(`${directory}/bayes`, 0o777);
  await serve(
    t,
    "env",
    [
      ...[`TMPDIR=${directory}/bayes`, "spamd"],
      ...["--configpath", `${directory}/rules`, "--siteconfigpath", `${directory}/site`],
      ...["--local", "--nouser-config", "--allow-tell", "--max-children", "1"],
      ...["--listen", "127.0.0.1", "--port", String(port), "--syslog", `${directory}/bayes/log`],
    ],
    () => listens({ port }),
  );
  return `127.0.0.1:${port}`;
}

test("spamd is asked by SPAMC/1.5: each rule is a finding with its points, and its limit is advice", async (t) => {
  if (!needs(t, "spamd")) return;
  const engine = { type: "spamd", address: await runningSpamd(t), timeLimitSeconds: 60 };
  const filter = filterWith([engine]);
  await t.test("spam goes to Junk, with every rule's points", async () => {
    const verdict = await filter.inspect(inbound(letter("hello cheap pills")));
    const points = new Map(verdict.findings.map(({ symbol, score }) => [symbol, score]));
    assert.equal(points.get("SAYS_PILLS"), 7.5);
    assert.equal(points.get("SAYS_HELLO"), -1.3);
    assert.equal(verdict.score, 6.2);
    assert.deepEqual(verdict.action, { kind: "junk", reason: "spamd's score is 6.2 of 5.0: spam" });
  });
  await t.test("other mail is delivered", async () => {
    assert.equal((await filter.inspect(inbound(letter("hello")))).action.kind, "accept");
  });
  await t.test("TELL teaches it, and again", async () => {
    const [learner] = learnersOf(engineSettings(engine));
    const message = memoryContent(Buffer.from(letter("teach", "quite a few words to learn from today\r\n")));
    await learner!.learn(message, "spam");
    await learner!.learn(message, "spam");
    await learner!.learn(message, "ham");
  });
});
