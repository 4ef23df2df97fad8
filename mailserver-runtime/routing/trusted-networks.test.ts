import assert from "node:assert/strict";
import { test } from "node:test";
import { trustedNetworks } from "./trusted-networks.ts";

test("PERMIT_DOCKER's values stand for docker-mailserver's networks, and for none by default", () => {
  const own = ["172.18.0.5/16", "10.9.0.2/24"];
  assert.deepEqual(trustedNetworks("none", own), []);
  assert.deepEqual(trustedNetworks("container", own), ["172.18.0.5/32"]);
  assert.deepEqual(trustedNetworks("host", own), ["172.18.0.0/16"]);
  assert.deepEqual(trustedNetworks("network", own), ["172.16.0.0/12"]);
  assert.deepEqual(trustedNetworks("connected-networks", own), own);
  assert.deepEqual(trustedNetworks("container", []), []);
});
