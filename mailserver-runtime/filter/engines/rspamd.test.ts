/** rspamd itself, with a configuration of one rule and a classifier in a Redis of its own. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { needs } from "../../../test/support/tools.ts";
import { directoryWith, freePort, serve } from "../../dns/test-support.ts";
import { memoryContent } from "../../message/content.ts";
import { learnersOf } from "./engine-checks.ts";
import { engineSettings, filterWith, inbound, letter, listens } from "./engine-for-tests.ts";

const password = "a-password-for-tests";

async function runningRspamd(t: TestContext): Promise<{ address: string; controller: string }> {
  const [port, controller, redis] = [await freePort(), await freePort(), await freePort()];
  const directory = await directoryWith(t, {
    // Stock rspamd compiles ten thousand domains first; these are enough.
    "tld.dat": "test\ncom\norg\n",
    "rules.lua": `rspamd_config.SAYS_PILLS = {
      callback = function(task)
        local subject = task:get_header("Subject") or ""
        if not subject:find("pills") then return false end
        task:set_milter_reply({ add_headers = { ["X-Pills"] = "many" }, remove_headers = { ["X-Old"] = 1 } })
        return true, 1.0, tostring(task:get_from_ip()), task:get_helo(), (task:get_from("smtp") or {})[1].addr
      end }
      rspamd_config.R_SPF_FAIL = { callback = function(task) return (task:get_header("Subject") or "") == "later" end }
      rspamd_config:register_symbol({ name = "LATER", type = "postfilter", callback = function(task)
        if task:get_header("Subject") == "later" then task:set_pre_result("soft reject", "come again later") end
      end })`,
  });
  const text = `
    lua = "${directory}/rules.lua";
    options { pidfile = "${directory}/pid"; filters = ""; url_tld = "${directory}/tld.dat"; tempdir = "${directory}";
      dns { nameserver = ["127.0.0.1:9"]; timeout = 0.1s; } control_socket = "${directory}/control"; hs_cache_dir = "${directory}";
      lang_det { languages_enabled = ["en"]; } disable_monitoring = true; }
    logging { type = "file"; filename = "${directory}/log"; }
    worker "normal" { bind_socket = "127.0.0.1:${port}"; count = 1; }
    worker "controller" { bind_socket = "127.0.0.1:${controller}"; password = "${password}"; count = 1; }
    metric { name = "default"; actions { reject = 15; add_header = 6; greylist = 4; }
      group "test" { symbol "SAYS_PILLS" { weight = 7.5; description = "the subject says pills"; }
        symbol "R_SPF_FAIL" { weight = 1.0; description = "SPF says no"; } } }
    classifier "bayes" { tokenizer { name = "osb"; } backend = "redis"; servers = "127.0.0.1:${redis}"; min_learns = 1;
      statfile { symbol = "BAYES_HAM"; spam = false; } statfile { symbol = "BAYES_SPAM"; spam = true; } }`;
  const { writeFile } = await import("node:fs/promises");
  await writeFile(`${directory}/rspamd.conf`, text);
  await serve(
    t,
    "redis-server",
    ["--port", String(redis), "--bind", "127.0.0.1", "--save", "", "--dir", directory],
    () => listens({ port: redis }),
  );
  await serve(t, "rspamd", ["-f", "-i", "--insecure", "-c", `${directory}/rspamd.conf`], async () => {
    const answers = [port, controller].map((one) =>
      fetch(`http://127.0.0.1:${one}/ping`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
    return (await Promise.all(answers)).every(Boolean);
  });
  return { address: `127.0.0.1:${port}`, controller: `127.0.0.1:${controller}` };
}

test("rspamd is asked with what is known of the message, and its symbols, action and fields are taken over", async (t) => {
  if (!needs(t, "rspamd", "redis-server")) return;
  const places = await runningRspamd(t);
  const engine = { type: "rspamd", ...places, password, timeLimitSeconds: 60 };
  const filter = filterWith([engine]);

  await t.test("a symbol is a finding with its weight, and `add header` is advice for Junk", async () => {
    const verdict = await filter.inspect(inbound(letter("cheap pills")));
    const pills = verdict.findings.find(({ symbol }) => symbol === "SAYS_PILLS");
    assert.equal(pills?.score, 7.5);
    assert.match(
      pills?.reason ?? "",
      /the subject says pills.*192\.0\.2\.1.*mail\.example\.test.*alice@example\.test/,
    );
    assert.equal(verdict.action.kind, "junk");
    assert.deepEqual(verdict.changes, [
      { kind: "change-header", name: "X-Old", occurrence: 1, value: undefined },
      { kind: "add-header", name: "X-Pills", value: " many" },
    ]);
    assert.equal(filter.asked.at(-1)?.outcome, "answered");
  });
  await t.test("mail without a finding is delivered", async () => {
    assert.equal((await filter.inspect(inbound(letter("lunch")))).action.kind, "accept");
  });
  await t.test("a soft reject asks the client to come again, in rspamd's words", async () => {
    assert.deepEqual((await filter.inspect(inbound(letter("later")))).action, {
      kind: "tempfail",
      code: 451,
      status: "4.7.1",
      text: "come again later",
    });
  });
  await t.test("GTUBE is refused", async () => {
    const gtube = ["XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE", "STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"].join("-");
    const verdict = await filter.inspect(inbound(letter("hi", `${gtube}\r\n`)));
    assert.equal(verdict.action.kind, "reject", JSON.stringify(verdict));
  });
  await t.test("its controller learns, knows what it has learnt, and refuses a wrong password", async () => {
    const [learner] = learnersOf(engineSettings(engine));
    const words = "a text with quite some words to learn from because rspamd wants more than a few of them ";
    const message = memoryContent(Buffer.from(letter("teach", words.repeat(3))));
    await learner!.learn(message, "spam");
    await learner!.learn(message, "spam");
    const [wrong] = learnersOf(engineSettings({ ...engine, password: "wrong" }));
    await assert.rejects(wrong!.learn(message, "ham"), /401/);
  });
});
