import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseAccess } from "./access.ts";
import { parseAccounts } from "./accounts.ts";
import { appendLine, changeLines, editText } from "./edit.ts";
import type { Parsed } from "./lines.ts";
import { parseLocalAliases } from "./local-aliases.ts";
import { parseMasters } from "./masters.ts";
import { parseKeyTable, parseSigningTable } from "./opendkim.ts";
import { parseQuotas, quotaBytes, quotaText } from "./quotas.ts";
import { parseRegexp } from "./regexp.ts";
import { parseRelayHost, parseRelayLogins, parseRelaymap } from "./relays.ts";
import { rspamdKey } from "./rspamd-dkim.ts";
import { parseVirtual } from "./virtual.ts";

const hash = "{SHA512-CRYPT}$6$abc$def";

/** Entries as plain values, and "line: reason" of each problem. */
function shown(parsed: Parsed<object>): unknown {
  return JSON.parse(
    JSON.stringify(parsed, (_key, value: unknown) =>
      value instanceof Map ? Object.fromEntries(value) : value instanceof RegExp ? String(value) : value,
    ),
  );
}

test("postfix-accounts.cf: comments and blank lines say nothing, extra fields are kept, capitals are lowered", () => {
  const text = `# comment\n\n  # another\nAnn@Example.ORG|${hash}\nbob@bücher.example|${hash}|userdb_mail=maildir:/x quota\r\n`;
  assert.deepEqual(shown(parseAccounts(text)), {
    entries: [
      { line: 4, address: "ann@example.org", domain: "example.org", passwordHash: hash, extra: {} },
      {
        line: 5,
        address: "bob@xn--bcher-kva.example",
        domain: "xn--bcher-kva.example",
        passwordHash: hash,
        extra: { userdb_mail: "maildir:/x", quota: "yes" },
      },
    ],
    problems: [],
  });
});

test("postfix-accounts.cf: a broken line is named with its number and reason, and the others stand", () => {
  const { entries, problems } = parseAccounts(
    `ann@example.org\nbob@example.org|${hash}\n../etc@example.org|${hash}\n@example.org|${hash}\nbob@example.org|other\n`,
  );
  assert.deepEqual(
    entries.map(({ address }) => address),
    ["bob@example.org"],
  );
  assert.deepEqual(
    problems.map(({ line }) => line),
    [1, 3, 4, 5],
  );
  assert.match(problems[0]!.reason, /no hash/);
  assert.match(problems[3]!.reason, /line 2 already/);
});

test("postfix-virtual.cf: any white space, lists with commas, catch-all and bare names", () => {
  assert.deepEqual(
    parseVirtual(
      "info@example.org\tann@example.org,bob@example.com\n@example.net ann@example.org\nroot ann@example.org, bob\n",
    ).entries,
    [
      { line: 1, address: "info@example.org", targets: ["ann@example.org", "bob@example.com"] },
      { line: 2, address: "@example.net", targets: ["ann@example.org"] },
      { line: 3, address: "root", targets: ["ann@example.org", "bob"] },
    ],
  );
  assert.match(parseVirtual("info@example.org\n").problems[0]!.reason, /no target/);
});

test("postfix-regexp.cf: matches without case, in order; what JavaScript cannot read is a problem (pcre_table(5))", () => {
  const { entries, problems } = parseRegexp(
    "/^test[0-9].*/ ann@example.org\n/^sup\\/port@/i bob@example.org\n/(?<n/ x@example.org\nif /a/\n/a/ \n",
  );
  assert.equal(entries[0]!.pattern.match("TEST1@example.org") !== undefined, true);
  assert.equal(entries[1]!.pattern.match("sup/port@x") !== undefined, true);
  assert.equal(entries[1]!.pattern.match("SUP/port@x") !== undefined, false);
  assert.deepEqual(
    problems.map(({ line }) => line),
    [3, 4, 5],
  );
});

test("dovecot-quotas.cf: IEC units, 0 without one, nothing else", () => {
  assert.equal(quotaBytes("5G"), 5 * 1024 ** 3);
  assert.equal(quotaBytes("10k"), 10_240);
  assert.equal(quotaBytes("0"), 0);
  for (const text of ["5", "5g", "5GB", "-1M", "", "1.5G", "99999999999999T"])
    assert.throws(() => quotaBytes(text), RangeError, text);
  assert.equal(quotaText(5 * 1024 ** 3), "5G");
  assert.equal(quotaText(1536), "1536B");
  assert.deepEqual(parseQuotas("ann@example.org:5M\nbob:1G\n").problems.length, 1);
});

test("dovecot-masters.cf, access and aliases: entries as DMS writes them", () => {
  assert.deepEqual(parseMasters(`admin|${hash}\nann@x|${hash}\n`).entries, [
    { line: 1, name: "admin", passwordHash: hash },
  ]);
  const access =
    "Ann@example.org \t\t REJECT\nbob@example.org OK\nBÜCHER.example 450 4.7.0 later\nx@ DISCARD\n";
  assert.deepEqual(parseAccess(access), {
    entries: [
      { line: 1, address: "ann@example.org", action: "reject" },
      { line: 2, address: "bob@example.org", action: "accept" },
      {
        line: 3,
        address: "xn--bcher-kva.example",
        action: "reject",
        refusal: { code: 450, status: "4.7.0", text: "later" },
      },
    ],
    problems: [
      {
        line: 4,
        reason: '"x@" must be followed by REJECT, a reply code or OK; "DISCARD" is not supported',
      },
    ],
  });
  const aliases = parseLocalAliases("root: ann@example.org,\n  bob@example.org\nevil: |/bin/sh\n");
  assert.deepEqual(aliases.entries, [
    { line: 1, name: "root", targets: ["ann@example.org", "bob@example.org"] },
  ]);
  assert.deepEqual(
    aliases.problems.map(({ line }) => line),
    [3],
  );
});

test("postfix-relaymap.cf and postfix-sasl-password.cf: hosts, exemptions and logins", () => {
  assert.deepEqual(
    parseRelaymap("@example.org\t\t[smtp.example.net]:587\n@example.com\nann@x.org relay.example\n").entries,
    [
      { line: 1, sender: "@example.org", relay: { host: "smtp.example.net", port: 587, lookupMx: false } },
      { line: 2, sender: "@example.com", relay: undefined },
      { line: 3, sender: "ann@x.org", relay: { host: "relay.example", port: 25, lookupMx: true } },
    ],
  );
  assert.throws(() => parseRelayHost("[x]:70000"), RangeError);
  assert.deepEqual(parseRelayLogins("@example.org user:pa:ss word\n[smtp.example.net]:587 u:p\n").entries, [
    { line: 1, key: "@example.org", user: "user", password: "pa:ss word" },
    { line: 2, key: "[smtp.example.net]:587", user: "u", password: "p" },
  ]);
  assert.ok(!JSON.stringify(parseRelayLogins("secretpassword\n").problems).includes("secretpassword"));
});

test("OpenDKIM's tables: DMS's paths become files of the config directory and never leave it", () => {
  assert.deepEqual(
    parseKeyTable(
      "mail._domainkey.example.org example.org:mail:/etc/opendkim/keys/example.org/mail.private\nx y:z:/etc/opendkim/keys/../../../etc/shadow\n",
    ),
    {
      entries: [
        {
          line: 1,
          name: "mail._domainkey.example.org",
          domain: "example.org",
          selector: "mail",
          keyFile: "opendkim/keys/example.org/mail.private",
        },
      ],
      problems: [
        {
          line: 2,
          reason:
            'the key\'s path must lie below opendkim/keys/, not at "/etc/opendkim/keys/../../../etc/shadow"',
        },
      ],
    },
  );
  assert.deepEqual(parseSigningTable("*@example.org mail._domainkey.example.org\n").entries, [
    { line: 1, domain: "example.org", key: "mail._domainkey.example.org" },
  ]);
});

test("rspamd's key files: hyphens in selector and domain are told apart by the hosted domains", () => {
  const hosted = (domain: string) => ["my-site.example", "site.example"].includes(domain);
  assert.deepEqual(rspamdKey("rsa-2048-mail-2026-my-site.example.private.txt", hosted), {
    domain: "my-site.example",
    selector: "mail-2026",
    algorithm: "rsa-sha256",
  });
  assert.equal(rspamdKey("ed25519-mail-site.example.private.txt", hosted)?.algorithm, "ed25519-sha256");
  assert.equal(rspamdKey("ed25519-mail-other.example.private.txt", hosted), undefined);
  assert.equal(rspamdKey("rsa-2048-mail-site.example.public.txt", hosted), undefined);
});

test("a line that begins with white space continues the one before, as in Postfix's tables", () => {
  const { entries, problems } = parseVirtual(
    "team@example.org ann@example.org,\n  # a remark\n\tbob@example.org\ninfo@example.org ann@example.org\n",
  );
  assert.deepEqual(
    entries.map(({ line, targets }) => [line, ...targets]),
    [
      [1, "ann@example.org", "bob@example.org"],
      [4, "ann@example.org"],
    ],
  );
  assert.deepEqual(problems, []);
});

test("No parser throws, whatever a file holds", () => {
  const parsers = [
    parseAccess,
    parseAccounts,
    parseLocalAliases,
    parseMasters,
    parseKeyTable,
    parseSigningTable,
    parseQuotas,
    parseRegexp,
    parseRelayLogins,
    parseRelaymap,
    parseVirtual,
  ] as const;
  const line = fc.oneof(
    fc.string(),
    fc.string({
      unit: fc.constantFrom("a", "@", "|", ":", " ", "\t", "/", "[", "]", ",", ".", "\\", "#", "ü"),
    }),
  );
  fc.assert(
    fc.property(fc.array(line), fc.constantFrom(...parsers), (lines, parse) => {
      const { entries, problems } = parse(lines.join("\n"));
      for (const { line: number } of [...entries, ...problems])
        assert.ok(number >= 1 && number <= lines.join("\n").split("\n").length);
    }),
  );
});

test("An edit leaves every other line as it is, with comments, order, white space and line ends", () => {
  const content = fc.stringMatching(/^[ -~\t]*$/);
  fc.assert(
    fc.property(
      fc.array(content, { minLength: 1 }),
      fc.nat(),
      fc.constantFrom("\n", "\r\n"),
      (lines, pick, end) => {
        const text = lines.join(end) + end;
        assert.equal(
          editText(text, (all) => all),
          text,
        );
        assert.equal(editText(text, appendLine("new")), `${text}new${end}`);
        const number = (pick % lines.length) + 1;
        const rest = lines.filter((_, index) => index !== number - 1);
        const expected = rest.length === 0 ? "" : rest.join(end) + end;
        assert.equal(editText(text, changeLines(new Map([[number, undefined]]))), expected);
      },
    ),
  );
});

test("A last line without its end is not joined with what is added", () => {
  assert.equal(editText("a|x", appendLine("b|y")), "a|x\nb|y\n");
  assert.equal(
    editText("a|x", (lines) => lines),
    "a|x",
  );
});
