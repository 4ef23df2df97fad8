import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRspamdSigning } from "./rspamd-signing.ts";

const below = "/tmp/docker-mailserver/rspamd/dkim";

test("the file that docker-mailserver writes names the key of its domain", () => {
  const text = `
# This is the default configuration for DKIM signing.
enabled = true;
use_domain = "header";
check_pubkey = true; # you want to use this in the beginning

domain {
    Example.org {
        path = "${below}/mail.private.txt";
        selector = "Mail";
    }
}
`;
  assert.deepEqual(parseRspamdSigning(text), [
    { domain: "example.org", selector: "mail", keyFile: "rspamd/dkim/mail.private.txt" },
  ]);
  assert.deepEqual(parseRspamdSigning("enabled = false;\n"), []);
});

test("several selectors of a domain are several keys", () => {
  const text = `domain { example.org { selectors = [
    { path = "${below}/rsa.txt", selector = "r" },
    { path = "${below}/ed.txt"; selector = "e"; },
  ] } "example.net" { path: "${below}/net.txt"; selector: net } }`;
  assert.deepEqual(
    parseRspamdSigning(text).map(({ domain, selector }) => `${selector}.${domain}`),
    ["r.example.org", "e.example.org", "net.example.net"],
  );
});

test("what cannot be understood is named, and no path leads outside", () => {
  const wrong = (text: string) => {
    try {
      parseRspamdSigning(text);
    } catch (error) {
      return (error as Error).message;
    }
    return assert.fail("was taken");
  };
  assert.match(wrong("domain {"), /not closed/);
  assert.match(wrong("domain { a.example { selector = x } }"), /a\.example has no path and selector/);
  const path = (at: string) => wrong(`domain { a.example { path = "${at}"; selector = x } }`);
  assert.match(path("/etc/passwd"), /must lie below rspamd\/dkim/);
  assert.match(path(`${below}/../../../etc/passwd`), /must lie below/);
  assert.match(path(`${below}/$domain.$selector.key`), /must lie below/);
});
