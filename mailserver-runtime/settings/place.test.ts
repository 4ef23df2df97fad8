import assert from "node:assert/strict";
import { test } from "node:test";
import { placeOf } from "./place.ts";

const places: readonly (readonly [text: string, place: unknown])[] = [
  ["127.0.0.1:11333", { host: "127.0.0.1", port: 11333 }],
  ["rspamd.example.org:11333", { host: "rspamd.example.org", port: 11333 }],
  ["[::1]:783", { host: "::1", port: 783 }],
  ["inet:127.0.0.1:8891", { host: "127.0.0.1", port: 8891 }],
  ["inet:8891@localhost", { host: "localhost", port: 8891 }],
  ["inet6:8891@[::1]", { host: "::1", port: 8891 }],
  ["/run/clamav/clamd.ctl", { path: "/run/clamav/clamd.ctl" }],
  ["unix:/run/x.sock", { path: "/run/x.sock" }],
  ["local:/run/x.sock", { path: "/run/x.sock" }],
  ["::1:783", undefined],
  ["127.0.0.1", undefined],
  ["127.0.0.1:0", undefined],
  ["127.0.0.1:65536", undefined],
  ["run/x.sock", undefined],
  ["unix:run/x.sock", undefined],
  ["a b:1", undefined],
  ["", undefined],
];
for (const [text, place] of places)
  test(`"${text}" names ${place === undefined ? "no place" : JSON.stringify(place)}`, () => {
    assert.deepEqual(placeOf(text), place);
  });
