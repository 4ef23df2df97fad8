/** What the tests of this room share: messages, a filter that asks engines and nothing else, and the daemons' readiness. */
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { zoneResolver } from "../../dns/zone-for-tests.ts";
import { memoryContent } from "../../message/content.ts";
import { silentLog } from "../../net/log.ts";
import { enginesSettings } from "../../settings/groups/engines.ts";
import type { Settings } from "../../settings/schema.ts";
import { createInboundFilter } from "../inbound-filter.ts";
import type { InboundFilter, InboundMessage } from "../pipeline.ts";
import { createEngineChecks } from "./engine-checks.ts";
import type { Asked } from "./engine-tally.ts";

/** EICAR's test file in two halves, so that no scanner takes this file for one. */
export { EICAR } from "../checks/eicar.ts";

export type EngineInput = Record<string, unknown> & { readonly type: string };

export const engineSettings = (...list: EngineInput[]): Settings["engines"] =>
  enginesSettings.parse({ list });

/** A filter whose only checks are these engines. */
export function filterWith(
  engines: readonly EngineInput[],
  hostname = "mx.test",
): InboundFilter & { readonly asked: Asked[] } {
  const asked: Asked[] = [];
  const settings = engineSettings(...engines);
  const checks = createEngineChecks({
    settings: () => settings,
    spool: { directory: tmpdir() },
    asked: (one) => asked.push(one),
  });
  const filter = createInboundFilter({
    hostname: () => hostname,
    resolver: zoneResolver({}),
    log: silentLog,
    checks: [],
    engines: checks.incoming,
  });
  return { ...filter, asked };
}

export const letter = (subject: string, body = "Hello Bob.\r\n"): string =>
  `From: Alice <alice@example.test>\r\nTo: bob@example.net\r\nSubject: ${subject}\r\nDate: Thu, 26 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.test>\r\n\r\n${body}`;

export function inbound(text: string | Buffer, overrides: Partial<InboundMessage> = {}): InboundMessage {
  return {
    content: memoryContent(typeof text === "string" ? Buffer.from(text) : text),
    client: { address: "192.0.2.1", port: 40_000, secure: true },
    helo: "mail.example.test",
    from: "alice@example.test",
    recipients: ["bob@example.net"],
    receivedAt: new Date(),
    id: "test-1",
    ...overrides,
  };
}

/** Whether somebody listens there. */
export function listens(place: { readonly port: number } | { readonly path: string }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection("path" in place ? place : { host: "127.0.0.1", ...place });
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
