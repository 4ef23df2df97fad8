/** Thunderbird's autoconfig (config-v1.1.xml), which K-9, Evolution and others read as well. */
import type { Offer, OfferedService } from "./web-facts.ts";
import { xmlText } from "./xml.ts";

export function autoconfigXml(domain: string, { hostname, services }: Offer): string {
  const server = ({ service, port, tls }: OfferedService) => {
    const element = service === "smtp" ? "outgoingServer" : "incomingServer";
    return `    <${element} type="${service}">
      <hostname>${xmlText(hostname)}</hostname>
      <port>${port}</port>
      <socketType>${tls === "implicit" ? "SSL" : "STARTTLS"}</socketType>
      <authentication>password-cleartext</authentication>
      <username>%EMAILADDRESS%</username>
    </${element}>
`;
  };
  return `<?xml version="1.0" encoding="UTF-8"?>
<clientConfig version="1.1">
  <emailProvider id="${xmlText(domain)}">
    <domain>${xmlText(domain)}</domain>
    <displayName>${xmlText(domain)} Mail</displayName>
    <displayShortName>${xmlText(domain)}</displayShortName>
${services.map(server).join("")}  </emailProvider>
</clientConfig>
`;
}
