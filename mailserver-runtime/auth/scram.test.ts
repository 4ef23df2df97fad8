/** SCRAM (RFC 5802, RFC 7677): the RFC's own example, keys as Dovecot writes them, channel binding, what is offered. */
import assert from "node:assert/strict";
import { createHash, createHmac, pbkdf2Sync } from "node:crypto";
import { test } from "node:test";
import type { Account, Snapshot } from "../config/snapshot.ts";
import { silentLog } from "../net/log.ts";
import { createAuthenticator } from "./account-authenticator.ts";
import { checkPassword, makeHash } from "./password/schemes.ts";
import { converse, type SaslContext } from "./sasl.ts";
import { createSaslOffer } from "./sasl-offer.ts";
import { checkScramProof, makeScramKeys, parseScramKeys, scramKeys } from "./scram.ts";

const ANN = "ann@example.org";
const client = { address: "192.0.2.1", port: 1 };
const bound: SaslContext = {
  channelBinding: (type) => (type === "tls-exporter" ? Buffer.from("exported") : Buffer.from("certificate")),
};
const unbound: SaslContext = { channelBinding: () => undefined };

test("the example of RFC 7677 §3 is proved and signed", () => {
  const salt = Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64");
  const keys = scramKeys(Buffer.from("pencil"), salt, 4096);
  const authMessage = [
    "n=user,r=rOprNGfwEbeRWgbNEkqO",
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
  ].join(",");
  const proof = Buffer.from("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "base64");
  assert.equal(
    checkScramProof(keys, { authMessage, proof })?.toString("base64"),
    "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
  );
  proof[3]! ^= 1;
  assert.equal(checkScramProof(keys, { authMessage, proof }), undefined);
  assert.equal(checkScramProof(keys, { authMessage, proof: Buffer.alloc(0) }), undefined);
});

test("keys are stored as `doveadm pw -s SCRAM-SHA-256` writes them, and check passwords, too", () => {
  const dovecots =
    "{SCRAM-SHA-256}4096,I84HHeSnij04QhVt+hk6jQ==,DkIJZDfYi1VWF4Lhf84xeG93fewv78LBo7a7XuMGEJ0=,I9Td46n+Idk6mzb797GWFeoYwca8erPO+XnHzpKyQ4k=";
  assert.ok(checkPassword("secret", dovecots));
  assert.ok(!checkPassword("secreT", dovecots));
  const stored = makeHash("secret", "SCRAM-SHA-256");
  assert.match(stored, /^\{SCRAM-SHA-256\}4096,[A-Za-z0-9+/]{22}==,[A-Za-z0-9+/]{43}=,[A-Za-z0-9+/]{43}=$/);
  assert.ok(checkPassword("secret", stored));
  assert.ok(!checkPassword("secreT", stored));
  for (const broken of [
    "",
    "4096,a",
    "0,AAAA,AAAA,AAAA",
    `9999999,${makeScramKeys(Buffer.from("x")).slice(5)}`,
  ])
    assert.equal(parseScramKeys(broken), undefined, broken);
});

function fixture(accounts: Record<string, Partial<Account>>) {
  const all = Object.entries(accounts).map(
    ([address, account]): Account => ({
      address,
      domain: "example.org",
      enabled: true,
      quotaBytes: 0,
      passwordHash: undefined,
      origin: { file: "x", line: 1, owner: "setup" },
      ...account,
    }),
  );
  const snapshot: Pick<Snapshot, "account" | "accounts"> = {
    account: (address) => all.find((account) => account.address === address),
    accounts: () => all,
  };
  const offer = createSaslOffer({
    snapshot: () => snapshot as Snapshot,
    secret: Buffer.alloc(32, 7),
    takesTokens: () => false,
  });
  const authenticator = createAuthenticator({
    snapshot: () => snapshot as Snapshot,
    verifyPassword: async (password, hash) => checkPassword(password, hash),
    log: silentLog,
  });
  return { offer, authenticator };
}
const keys = { passwordHash: makeHash("secret", "SCRAM-SHA-256") };

interface ClientOptions {
  readonly mechanism: string;
  readonly header: string;
  readonly binding?: string;
  readonly username?: string;
  readonly password?: string;
  /** Changes what the server said last, as an attacker would. */
  readonly nonce?: string;
}

/** A client by the RFC, over the exchange itself; gives the outcome and whether the server has shown its key. */
async function logIn(
  { offer, authenticator }: ReturnType<typeof fixture>,
  context: SaslContext,
  { mechanism, header, binding = "", username = ANN, password = "secret", nonce = "fyko" }: ClientOptions,
) {
  const exchange = offer.begin(mechanism, context);
  if (!exchange) return { outcome: "not offered" as const, signed: false };
  const bare = `n=${username},r=${nonce}`;
  let signed = false;
  let serverFirst = "";
  const outcome = await converse(exchange, Buffer.from(header + bare), {
    async challenge(bytes) {
      const text = bytes.toString();
      if (text.startsWith("v=")) {
        signed = true;
        return Buffer.alloc(0);
      }
      serverFirst = text;
      const [, all, salt, count] = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(text)!;
      assert.ok(all!.startsWith(nonce) && all!.length > nonce.length + 20);
      const bytesBound = Buffer.concat([Buffer.from(header), Buffer.from(binding)]).toString("base64");
      const final = `c=${bytesBound},r=${all}`;
      const salted = pbkdf2Sync(password, Buffer.from(salt!, "base64"), Number(count), 32, "sha256");
      const hmac = (key: Buffer, of: string) => createHmac("sha256", key).update(of).digest();
      const clientKey = hmac(salted, "Client Key");
      const storedKey = createHash("sha256").update(clientKey).digest();
      const signature = hmac(storedKey, `${bare},${serverFirst},${final}`);
      const proof = Buffer.from(clientKey.map((byte, index) => byte ^ signature[index]!));
      return Buffer.from(`${final},p=${proof.toString("base64")}`);
    },
    verify: ({ authorizationId: _, ...claim }) => authenticator.verify({ ...claim, service: "imap", client }),
  });
  return { outcome, signed, serverFirst };
}

test("a proof opens the account and shows the server's key; a wrong password does neither (RFC 5802 §3)", async () => {
  const server = fixture({ [ANN]: keys });
  const good = await logIn(server, unbound, { mechanism: "SCRAM-SHA-256", header: "n,," });
  assert.deepEqual([typeof good.outcome === "object" && good.outcome.ok, good.signed], [true, true]);
  const bad = await logIn(server, unbound, { mechanism: "SCRAM-SHA-256", header: "n,,", password: "wrong" });
  assert.deepEqual([bad.outcome, bad.signed], [{ ok: false, reason: "credentials" }, false]);
});

test("-PLUS binds to the TLS connection by its exporter or by our certificate, and to no other (RFC 9266, RFC 5929)", async () => {
  const server = fixture({ [ANN]: keys });
  const rows: [header: string, binding: string, ok: boolean][] = [
    ["p=tls-exporter,,", "exported", true],
    ["p=tls-server-end-point,,", "certificate", true],
    ["p=tls-exporter,,", "another", false],
    ["p=tls-unique,,", "exported", false],
    ["n,,", "", false],
  ];
  for (const [header, binding, ok] of rows) {
    const { outcome } = await logIn(server, bound, { mechanism: "SCRAM-SHA-256-PLUS", header, binding });
    assert.equal(typeof outcome === "object" && outcome.ok, ok, `${header} ${binding}`);
  }
});

test("a client that was told we cannot bind is refused where we can (RFC 5802 §6)", async () => {
  const server = fixture({ [ANN]: keys });
  const told = { mechanism: "SCRAM-SHA-256", header: "y,," };
  assert.equal((await logIn(server, bound, told)).outcome, "malformed");
  const { outcome } = await logIn(server, unbound, told);
  assert.ok(typeof outcome === "object" && outcome.ok);
});

test("a name without an account gets a salt that stays the same, and no login", async () => {
  const server = fixture({ [ANN]: keys });
  const nobody = { mechanism: "SCRAM-SHA-256", header: "n,,", username: "nobody@example.org" };
  const first = await logIn(server, unbound, nobody);
  const second = await logIn(server, unbound, nobody);
  assert.deepEqual(first.outcome, { ok: false, reason: "credentials" });
  const salt = (text: string | undefined) => /s=([^,]+)/.exec(text ?? "")?.[1];
  assert.equal(salt(first.serverFirst), salt(second.serverFirst));
  assert.equal(
    salt(first.serverFirst)?.length,
    salt((await logIn(server, unbound, { ...nobody, username: ANN })).serverFirst)?.length,
  );
});

test("names with a comma or an equals sign are written =2C and =3D, and anything else behind = is refused", async () => {
  const server = fixture({ [ANN]: keys });
  for (const username of ["ann=40example.org", "ann=", "m=x,n=ann@example.org"]) {
    const { outcome } = await logIn(server, unbound, { mechanism: "SCRAM-SHA-256", header: "n,,", username });
    assert.equal(outcome, "malformed", username);
  }
});

test("SCRAM is offered where every account that can log in has keys, and -PLUS where the connection can be bound to", () => {
  const names = (accounts: Record<string, Partial<Account>>, context: SaslContext) =>
    fixture(accounts).offer.names(context).join(" ");
  const crypt = { passwordHash: makeHash("secret") };
  assert.equal(names({ [ANN]: keys }, bound), "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN");
  assert.equal(names({ [ANN]: keys }, unbound), "SCRAM-SHA-256 PLAIN LOGIN");
  assert.equal(names({ [ANN]: keys, "ben@example.org": crypt }, bound), "PLAIN LOGIN");
  assert.equal(
    names({ [ANN]: keys, "ben@example.org": { ...crypt, enabled: false }, "list@example.org": {} }, bound),
    "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN",
  );
  assert.equal(names({}, bound), "PLAIN LOGIN");
  assert.equal(fixture({ [ANN]: crypt }).offer.begin("SCRAM-SHA-256", bound), undefined);
});
