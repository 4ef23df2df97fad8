/** Which port each service listens on, and how the server is told. */
import type { Listener } from "../../mailserver-runtime/settings/schema.ts";
import type { ServerSettings, Service } from "../mail-stack-args.ts";

/** RFC 5321, 6409, 8314, 9051, 9110, 1035. */
const standardPorts: Readonly<Record<Service, number>> = {
  smtp: 25,
  submission: 587,
  submissions: 465,
  imap: 143,
  imaps: 993,
  http: 80,
  https: 443,
  dns: 53,
};

export type Ports = Readonly<Record<Service, number>>;

/** The ports of a server: as declared, else the standard ones above `base`. */
export function portsOf({ portBase, ports = {} }: ServerSettings, base: number): Ports {
  const chosen = Object.entries(standardPorts).map(([service, port]) => [
    service,
    ports[service as Service] ?? (portBase ?? base) + port,
  ]);
  return Object.fromEntries(chosen) as Ports;
}

/** The mail listeners; the name server is a setting of its own. */
export function listenersOn(address: string, { dns: _, ...mail }: Ports): Listener[] {
  return (Object.keys(mail) as (keyof typeof mail)[]).map((protocol) => ({
    protocol,
    address,
    port: mail[protocol],
    proxyProtocol: [],
  }));
}
