/** Which port each service listens on, and how the server is told. */
import type { Listener } from "../../mailserver-runtime/settings/schema.ts";
import type { ServerSettings, Service } from "../mail-stack-args.ts";

/** RFC 5321, 6409, 8314, 9051, 1035. */
const standardPorts: Readonly<Record<Service, number>> = {
  smtp: 25,
  submission: 587,
  submissions: 465,
  imap: 143,
  imaps: 993,
  dns: 53,
};

/** Above what only root may bind, below what the system gives to outgoing connections. */
export const LOCAL_PORT_BASE = 20_000;

export type Ports = Readonly<Record<Service, number>>;

/** The ports of a server on this machine. */
export function localPorts({ portBase = LOCAL_PORT_BASE, ports = {} }: ServerSettings): Ports {
  const chosen = Object.entries(standardPorts).map(([service, port]) => [
    service,
    ports[service as Service] ?? portBase + port,
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
