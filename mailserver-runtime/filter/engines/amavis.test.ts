/** amavisd-new itself, with a rule against programs. */
import assert from "node:assert/strict";
import { chmod, mkdir, readdir, writeFile } from "node:fs/promises";
import { type TestContext, test } from "node:test";
import { needs, run, skipWithout } from "../../../test/support/tools.ts";
import { directoryWith, freePort, serve } from "../../dns/test-support.ts";
import { filterWith, inbound, letter, listens } from "./engine-for-tests.ts";

async function runningAmavis(t: TestContext): Promise<{ address: string; directory: string }> {
  const port = await freePort();
  const directory = await directoryWith(t, {});
  await chmod(directory, 0o755);
  for (const name of ["home", "tmp", "db", "quarantine"]) await mkdir(`${directory}/${name}`);
  await run("chown", [
    "amavis:amavis",
    ...["home", "tmp", "db", "quarantine"].map((name) => `${directory}/${name}`),
  ]);
  // As an administrator would: whoever writes there writes for amavisd's group.
  await chmod(`${directory}/tmp`, 0o2770);
  const settings = `use strict;
    $MYHOME = '${directory}/home'; $TEMPBASE = '${directory}/tmp'; $db_home = '${directory}/db';
    $QUARANTINEDIR = '${directory}/quarantine'; $pid_file = '${directory}/home/pid'; $lock_file = '${directory}/home/lock';
    $daemon_user = 'amavis'; $daemon_group = 'amavis'; $daemonize = 0; $max_servers = 1; $enable_db = 0; $enable_zmq = 0;
    $myhostname = 'mx.test'; $mydomain = 'test'; @local_domains_maps = ([qw(.test example.net)]);
    $DO_SYSLOG = 0; $LOGFILE = '${directory}/home/log'; $log_level = 2; $protocol = 'AM.PDP';
    $inet_socket_port = [${port}]; $inet_socket_bind = '127.0.0.1'; @inet_acl = qw(127.0.0.1);
    @bypass_virus_checks_maps = (1); @bypass_spam_checks_maps = (1);
    $banned_filename_re = new_RE(qr'\\.exe$'i); $final_banned_destiny = D_REJECT; $banned_files_quarantine_method = undef;
    @addr_extension_banned_maps = (); $warnbannedsender = 0; $enable_dkim_verification = 0; $enable_dkim_signing = 0;
    $path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'; $file = 'file';
    @decoders = (['mail', \\&do_mime_decode]);
    1;\n`;
  await writeFile(`${directory}/amavisd.conf`, settings, { mode: 0o644 });
  await serve(t, "amavisd", ["-c", `${directory}/amavisd.conf`, "foreground"], () => listens({ port }));
  return { address: `127.0.0.1:${port}`, directory: `${directory}/tmp` };
}

test("amavisd-new is asked by AM.PDP, reads the message from the shared directory, and its answer is followed", {
  skip: skipWithout(process.getuid?.() === 0, "amavisd wants a configuration that root owns"),
}, async (t) => {
  if (!needs(t, "amavisd")) return;
  const places = await runningAmavis(t);
  const filter = filterWith([{ type: "amavis", ...places }]);
  await t.test("what it passes is delivered, with the fields it adds", async () => {
    const verdict = await filter.inspect(inbound(letter("one\r\nSubject: two")));
    assert.equal(verdict.action.kind, "accept", JSON.stringify(verdict.findings));
    assert.match(verdict.findings[0]?.reason ?? "", /^amavisd: continue/);
    const [change] = verdict.changes ?? [];
    assert.ok(change?.kind === "insert-header" && change.at === 0, JSON.stringify(verdict.changes));
    assert.match(
      `${change.name}:${change.value}`,
      /^X-Amavis-Alert: BAD HEADER SECTION, Duplicate header field: "Subject"/,
    );
  });
  await t.test("a program in it is refused in amavisd's words", async () => {
    const program = [
      "From: alice@example.test",
      "Subject: open it",
      "MIME-Version: 1.0",
      "Content-Type: application/octet-stream; name=a.exe",
      "Content-Disposition: attachment; filename=a.exe",
      "Content-Transfer-Encoding: base64",
      "",
      "TVqQAAMAAAAEAAAA",
      "",
    ].join("\r\n");
    const { action } = await filter.inspect(inbound(program));
    assert.equal(action.kind, "reject");
    assert.match(action.kind === "reject" ? action.text : "", /BANNED.*a\.exe/);
  });
  await t.test("nothing is left in the shared directory", async () => {
    assert.deepEqual(
      (await readdir(places.directory)).filter((name) => name.startsWith("mailkeep-")),
      [],
    );
  });
});
