/**
 * Outlook's Autodiscover: the POX exchange for mail accounts ([MS-OXDSCLI] §2.2), and the JSON one, which only says where
 * the first is.
 */
import type { Offer, OfferedService } from "./web-facts.ts";
import { xmlText } from "./xml.ts";

const RESPONSE = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006";
const OUTLOOK = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";
const ADDRESS = /<(?:[A-Za-z0-9]{1,20}:)?EMailAddress>\s{0,100}([^<\s]{3,320})\s{0,100}</;

/** The answer to a posted request; an error document where it names no address of a hosted domain. */
export function autodiscoverXml(body: string, serves: (domain: string) => boolean, offer: Offer): string {
  const address = ADDRESS.exec(body)?.[1];
  const domain = address?.slice(address.lastIndexOf("@") + 1).toLowerCase();
  if (address === undefined || domain === undefined || !serves(domain)) {
    const [code, message] =
      address === undefined
        ? [600, "The request has no EMailAddress."]
        : [500, "The address is not of a domain that is hosted here."];
    return document(
      RESPONSE,
      `    <Error Time="00:00:00" Id="0">
      <ErrorCode>${code}</ErrorCode>
      <Message>${message}</Message>
      <DebugData />
    </Error>
`,
    );
  }
  return `<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="${RESPONSE}">
  <Response xmlns="${OUTLOOK}">
    <User>
      <DisplayName>${address.includes("&") ? "" : xmlText(address)}</DisplayName>
    </User>
    <Account>
      <AccountType>email</AccountType>
      <Action>settings</Action>
${bestOfEach(offer.services)
  .map((service) => protocol(service, offer.hostname, address))
  .join("")}    </Account>
  </Response>
</Autodiscover>
`;
}

/** Version 2: where the protocol's own answer is. */
export function autodiscoverJson(
  protocolName: string | null,
  host: string,
): { readonly status: number; readonly body: string } {
  const asked = (protocolName ?? "").toLowerCase();
  if (asked === "autodiscoverv1")
    return {
      status: 200,
      body: JSON.stringify({
        Protocol: "AutodiscoverV1",
        Url: `https://${host}/autodiscover/autodiscover.xml`,
      }),
    };
  const [ErrorCode, ErrorMessage] =
    asked === ""
      ? ["MandatoryParameterMissing", "A valid value must be provided for the query parameter 'Protocol'."]
      : [
          "InvalidProtocol",
          "The given protocol value is not supported. Supported values are 'AutodiscoverV1'.",
        ];
  return { status: asked === "" ? 400 : 404, body: JSON.stringify({ ErrorCode, ErrorMessage }) };
}

function bestOfEach(services: readonly OfferedService[]): OfferedService[] {
  return services.filter(
    (one, index) => services.findIndex(({ service }) => service === one.service) === index,
  );
}

function protocol({ service, port, tls }: OfferedService, hostname: string, address: string): string {
  return `      <Protocol>
        <Type>${service.toUpperCase()}</Type>
        <Server>${xmlText(hostname)}</Server>
        <Port>${port}</Port>
        <LoginName>${address.includes("&") ? address : xmlText(address)}</LoginName>
        <DomainRequired>off</DomainRequired>
        <SPA>off</SPA>
        <SSL>on</SSL>
        <Encryption>${tls === "implicit" ? "SSL" : "TLS"}</Encryption>
        <AuthRequired>on</AuthRequired>${service === "smtp" ? "\n        <UsePOPAuth>off</UsePOPAuth>\n        <SMTPLast>off</SMTPLast>" : ""}
      </Protocol>
`;
}

function document(namespace: string, response: string): string {
  return `<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="${namespace}">
  <Response>
${response}  </Response>
</Autodiscover>
`;
}
