import assert from "node:assert/strict";
import test from "node:test";
import { EngineError } from "../errors.ts";
import { testStack } from "../testing/stack.ts";
import { SECRET, SIGNATURE, secret } from "../wire.ts";
import { SecretsManager } from "./passphrase.ts";

test("a wrong passphrase is noticed before anything is decrypted, and named as such", async () => {
  const { salt } = await SecretsManager.create("right");
  await assert.rejects(SecretsManager.open("wrong", salt, "stack 'dev'"), (error) => {
    assert.ok(error instanceof EngineError && error.code === "wrong-passphrase");
    assert.match(error.message, /does not open the secrets of stack 'dev'.*PULUMI_CONFIG_PASSPHRASE/);
    return true;
  });
});

test("a salt that is none is damage, not a wrong passphrase", async () => {
  for (const salt of ["", "v1", "v1:abc", "v2:abc:v1:a:b", "v1:abc:v1:a"]) {
    await assert.rejects(
      SecretsManager.open("x", salt, "stack 'dev'"),
      (error) => error instanceof EngineError && error.code === "state-damaged",
      salt,
    );
  }
});

test("the salt has the form of Pulumi's passphrase manager: 8 bytes, and an encrypted check word", async () => {
  const { salt } = await SecretsManager.create("x");
  const [version, bytes, inner, nonce, body] = salt.split(":");
  assert.deepEqual([version, inner], ["v1", "v1"]);
  assert.equal(Buffer.from(bytes!, "base64").length, 8);
  assert.equal(Buffer.from(nonce!, "base64").length, 12);
  assert.equal(Buffer.from(body!, "base64").length, "pulumi".length + 16);
});

test("a changed ciphertext is not decrypted to something else (AES-GCM)", async () => {
  const manager = await SecretsManager.create("x");
  const sealed = manager.encrypt("the text");
  assert.equal(manager.decrypt(sealed), "the text");
  const [version, nonce, body] = sealed.split(":");
  const bytes = Buffer.from(body!, "base64");
  bytes[0]! ^= 1;
  assert.throws(() => manager.decrypt([version, nonce, bytes.toString("base64")].join(":")));
});

test("equal secrets have different ciphertexts: the state does not tell that two passwords are the same", async () => {
  const manager = await SecretsManager.create("x");
  const sealed = manager.seal({ a: secret("same"), b: secret("same") }) as Record<
    string,
    Record<string, string>
  >;
  assert.equal(sealed.a![SIGNATURE], SECRET);
  assert.notEqual(sealed.a!.ciphertext, sealed.b!.ciphertext);
  assert.deepEqual(manager.unseal(sealed), { a: secret("same"), b: secret("same") });
});

test("with the wrong passphrase no operation begins", async (context) => {
  const stack = testStack(context);
  await stack.up(() => ({ password: secret("x") }));
  stack.operation.secrets = (salt) => SecretsManager.open("wrong", salt ?? "", "stack 'test'");
  await assert.rejects(
    stack.up(() => {}),
    (error) => error instanceof EngineError && error.code === "wrong-passphrase",
  );
});
