import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { dovecotProblems } from "./dovecot-conf.ts";
import { parseMainCf } from "./main-cf.ts";
import { masterCfProblems } from "./master-cf.ts";
import { readMainCf } from "./read.ts";

const files: Readonly<Record<string, string>> = {
  "extra.cf": "# mine\nsales@green.test ann@green.test\n",
  "patterns.cf": "/^order-(\\d+)@green\\.test$/ ann+$1@green.test\n",
  "bcc.cf": "ann@green.test archive@green.test\n@blue.test audit@far.test\n",
  "transport.cf": "far.test relay:[gate.test]:587\nnear.test smtp:\nbad.test local:\n",
  "known.cf": "dan@backup.test x\n",
};
const read = (text: string) => readMainCf(text, "mail.green.test", (file) => files[file]);
const reasons = (text: string) => read(text).problems.map(({ line, reason }) => `${line} ${reason}`);

test("main.cf: comments, continuation lines and the last of equal names (postconf(5))", () => {
  const { parameters, problems } = parseMainCf(
    "# hello\nalways_bcc = a@x.test\nrelay_domains = a.test,\n  # in between\n\tb.test\nalways_bcc=b@x.test\nnonsense\n",
  );
  assert.deepEqual(parameters, [
    { line: 6, name: "always_bcc", value: "b@x.test" },
    { line: 3, name: "relay_domains", value: "a.test, b.test" },
  ]);
  assert.deepEqual(
    problems.map(({ line }) => line),
    [2, 7],
  );
});

test("parameters with an equivalent become settings", () => {
  const { settings, problems } = read(`
message_size_limit = 52428800
virtual_mailbox_limit = 0
smtpd_recipient_limit = 50
recipient_delimiter = +-
maximal_queue_lifetime = 2
delay_warning_time = 4h
minimal_backoff_time = 300s
maximal_backoff_time = 1000s
smtp_bind_address = 192.0.2.7
myhostname = mx.green.test
relayhost = [relay.test]:465
smtp_tls_wrappermode = yes
smtp_sasl_auth_enable = yes
smtp_tls_security_level = may
`);
  assert.deepEqual(settings, {
    message: { sizeLimit: 52_428_800, recipientLimit: 50 },
    mailbox: { sizeLimit: 0 },
    routing: { recipientDelimiter: "+-" },
    delivery: {
      lifetimeSeconds: 172_800,
      warnAfterSeconds: 14_400,
      retrySeconds: [300, 600, 1000],
      addresses: ["192.0.2.7"],
    },
    hostname: "mx.green.test",
    relay: { defaultHost: "[relay.test]:465", tls: "implicit" },
  });
  assert.deepEqual(problems, []);
});

test("tables are read of the config directory, and entries keep their own file and line", () => {
  const effects = read(`
virtual_alias_maps = $virtual_alias_maps, texthash:/tmp/docker-mailserver/extra.cf, pcre:/tmp/docker-mailserver/patterns.cf
always_bcc = journal@green.test
sender_bcc_maps = texthash:/tmp/docker-mailserver/bcc.cf
recipient_bcc_maps = inline:{ sales@green.test = boss@green.test } pcre:/tmp/docker-mailserver/patterns.cf
relay_domains = backup.test, other.test
relay_recipient_maps = hash:/tmp/docker-mailserver/known.cf
transport_maps = hash:/tmp/docker-mailserver/transport.cf
smtp_sasl_password_maps = texthash:/etc/postfix/sasl_passwd
`);
  assert.deepEqual(
    effects.aliases.map(({ file, line, address }) => [file, line, address]),
    [["extra.cf", 2, "sales@green.test"]],
  );
  assert.equal(effects.patterns[0]?.file, "patterns.cf");
  assert.deepEqual(
    effects.copies.map(({ rule, key, target }) => [
      rule,
      key,
      target.to,
      `${target.origin.file}:${target.origin.line}`,
    ]),
    [
      ["always", "", "journal@green.test", "postfix-main.cf:3"],
      ["sender", "ann@green.test", "archive@green.test", "bcc.cf:1"],
      ["sender", "@blue.test", "audit@far.test", "bcc.cf:2"],
      ["recipient", "sales@green.test", "boss@green.test", "postfix-main.cf:5"],
    ],
  );
  assert.deepEqual(
    effects.copyPatterns.map(({ rule, pattern, target }) => [rule, pattern.source, target.origin.file]),
    [["recipient", effects.patterns[0]?.pattern.source, "patterns.cf"]],
  );
  assert.deepEqual(
    effects.backupDomains.map(({ domain }) => domain),
    ["backup.test", "other.test"],
  );
  assert.deepEqual([...(effects.backupRecipients ?? [])], ["dan@backup.test"]);
  assert.deepEqual(
    effects.transports.map(({ domain, relay }) => [domain, relay?.host]),
    [
      ["far.test", "gate.test"],
      ["near.test", undefined],
    ],
  );
  assert.deepEqual(
    effects.problems.map(({ line, reason }) => `${line} ${reason}`),
    ['8 transport_maps: "local:": only smtp: and relay: lead anywhere here'],
  );
});

test("a static login belongs to relayhost alone", () => {
  const { logins, problems } = read(
    "relayhost = relay.test:587\nsmtp_sasl_password_maps = static:me:pass:word\n",
  );
  assert.deepEqual(logins, [
    { key: "[relay.test]:587", user: "me", password: "pass:word", line: 2, file: "postfix-main.cf" },
  ]);
  assert.deepEqual(problems, []);
  assert.match(reasons("smtp_sasl_password_maps = static:me:secret")[0] ?? "", /relayhost on a line above/);
  assert.ok(!reasons("smtp_sasl_password_maps = static:me").join().includes("me,"));
});

test("every line without an equivalent is named with file, line, reason and what to do", () => {
  const lines: readonly (readonly [line: string, reason: RegExp])[] = [
    ["mynetworks = 172.16.0.0/12", /no network is trusted.*port 587 or 465/],
    ["smtpd_sender_restrictions = permit_mynetworks", /postfix-send-access\.cf/],
    ["smtpd_milters = inet:localhost:1234", /filter/],
    ["smtpd_tls_security_level = encrypt", /tls\.level/],
    ["smtp_tls_security_level = encrypt", /applied to relayhost/],
    ["header_checks = pcre:/tmp/docker-mailserver/h.cf", /spamassassin-rules\.cf/],
    ["inet_protocols = ipv4", /listeners/],
    ["disable_vrfy_command = yes", /delete the line/],
    ["made_up_parameter = 1", /has no equivalent here/],
    ["always_bcc = $nobody_knows", /\$nobody_knows is not known/],
    ["sender_bcc_maps = mysql:/tmp/docker-mailserver/x.cf", /not read.*texthash/],
    ["virtual_alias_maps = texthash:/etc/passwd", /not in the config directory/],
    ["virtual_alias_maps = texthash:/tmp/docker-mailserver/../../etc/passwd", /not in the config directory/],
    ["virtual_alias_maps = texthash:/tmp/docker-mailserver/gone.cf", /no file gone\.cf/],
    ["message_size_limit = big", /no number of bytes/],
  ];
  for (const [line, reason] of lines) {
    const found = reasons(`\n${line}\n`);
    assert.equal(found.length, 1, line);
    assert.match(found[0] ?? "", new RegExp(`^2 .*${reason.source}`), line);
  }
});

test("postfix-master.cf and dovecot.cf: each line or block is named with the place of its effect", () => {
  assert.deepEqual(
    masterCfProblems(
      "# x\nsubmission/inet/smtpd_tls_security_level=may\nsmtp/inet/made_up=1\nnonsense\n",
    ).map(({ line }) => line),
    [2, 3, 4],
  );
  assert.match(
    masterCfProblems("smtp/inet/postscreen_upstream_proxy_protocol=haproxy")[0]?.reason ?? "",
    /greeting/,
  );
  const found = dovecotProblems(
    "mail_max_userip_connections = 50 # more\nprotocol imap {\n  mail_plugins {\n    a = yes\n  }\n}\nhaproxy_trusted_networks = 10.0.0.0/8\n",
  );
  assert.deepEqual(
    found.map(({ line }) => line),
    [1, 2, 7],
  );
  assert.match(found[2]?.reason ?? "", /listeners/);
});

test("no file, however broken, makes the readers throw", () => {
  const name = fc.constantFrom(
    "always_bcc",
    "relayhost",
    "transport_maps",
    "virtual_alias_maps",
    "relay_domains",
  );
  const value = fc.oneof(
    fc.string(),
    fc.constantFrom("$a", "$(b)", "inline:{", "static:", "texthash:/tmp/docker-mailserver/bcc.cf"),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value)), fc.string(), (pairs, rest) => {
      read(`${pairs.map((pair) => pair.join(" = ")).join("\n")}\n${rest}`);
      read("a = $b\nb = $a\nalways_bcc = $a\n");
      masterCfProblems(rest);
      dovecotProblems(rest);
    }),
  );
});
