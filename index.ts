/** The Pulumi program: the configuration of the stack, as one MailStack. */
import { MailStack, readMailConfig } from "./components/index.ts";

const mail = new MailStack("mail", readMailConfig());

export const {
  hostname,
  endpoints,
  logins,
  secretsFile,
  caCertificateFile,
  dataDirectory,
  recordsLeftOut,
  dns,
} = mail;
