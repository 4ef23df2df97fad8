import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { publishRecord } from "./dns-publishers.ts";
import { AcmeFailure } from "./failure.ts";

const TOKEN = "only-for-this-zone";
const zoneId = "0123456789abcdef0123456789abcdef";
const NAME = "_acme-challenge.green.test";

/** Cloudflare's records API, as far as a token that is scoped to one zone sees it. */
async function emulator(t: TestContext) {
  const records = new Map<
    string,
    { readonly type: string; readonly name: string; readonly content: string }
  >();
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const say = (status: number, answer: object) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer));
    const refused = (status: number, code: number, message: string) =>
      say(status, { success: false, errors: [{ code, message }], messages: [], result: null });
    if (request.headers.authorization !== `Bearer ${TOKEN}`)
      return refused(403, 10000, "Authentication error");
    const [, id] = new RegExp(`^/zones/${zoneId}/dns_records(?:/(\\w+))?$`).exec(request.url ?? "") ?? [];
    if (request.method === "POST") {
      const made = `id${records.size}`;
      records.set(made, JSON.parse(body));
      return say(200, { success: true, errors: [], messages: [], result: { id: made } });
    }
    if (request.method === "DELETE" && id !== undefined && records.delete(id))
      return say(200, { success: true, errors: [], messages: [], result: { id } });
    return refused(404, 81044, "Record does not exist.");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { records, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

test("Cloudflare gets the one TXT record of a proof, and loses it alone; another's beside it stays", async (t) => {
  const { records, endpoint } = await emulator(t);
  records.set("theirs", { type: "TXT", name: NAME, content: '"other"' });
  const withdraw = await publishRecord(
    { type: "cloudflare", token: TOKEN, zoneId, endpoint },
    NAME,
    "digest",
  );
  const made = [...records.values()].at(-1);
  assert.deepEqual([made?.type, made?.name, made?.content], ["TXT", NAME, '"digest"']);
  await withdraw();
  assert.deepEqual([...records.keys()], ["theirs"]);
});

test("a token that may not write there is named with what it needs, and stands in no message", async (t) => {
  const { endpoint } = await emulator(t);
  const publisher = { type: "cloudflare" as const, token: "a-wrong-secret", zoneId, endpoint };
  await assert.rejects(publishRecord(publisher, NAME, "digest"), (error) => {
    assert.ok(error instanceof AcmeFailure);
    assert.equal(error.code, "publish");
    assert.match(error.message, /403: Authentication error \(10000\); the token needs Zone\.DNS edit/);
    assert.doesNotMatch(error.message, /a-wrong-secret/);
    return true;
  });
});
