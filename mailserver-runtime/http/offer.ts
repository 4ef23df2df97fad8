/** What mail clients are told, from the listeners: pure. */
import type { Listener, Protocol } from "../settings/schema.ts";
import type { Offer, OfferedService } from "./web-facts.ts";

/** In the order of preference (RFC 8314 §3: implicit TLS first). */
const services: readonly (readonly [Protocol, Omit<OfferedService, "port">])[] = [
  ["imaps", { service: "imap", tls: "implicit" }],
  ["imap", { service: "imap", tls: "starttls" }],
  ["pop3s", { service: "pop3", tls: "implicit" }],
  ["pop3", { service: "pop3", tls: "starttls" }],
  ["submissions", { service: "smtp", tls: "implicit" }],
  ["submission", { service: "smtp", tls: "starttls" }],
];

export function offerOf(
  hostname: string,
  listeners: readonly Pick<Listener, "protocol" | "port" | "path">[],
): Offer {
  return {
    hostname,
    services: services.flatMap(([protocol, service]) => {
      const listener = listeners.find((one) => one.protocol === protocol && one.path === undefined);
      return listener === undefined ? [] : [{ ...service, port: listener.port }];
    }),
  };
}
