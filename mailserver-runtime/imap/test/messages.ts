/** Messages for tests. */
export function message(parts: {
  readonly subject: string;
  readonly body: string;
  readonly header?: readonly string[];
}): Buffer {
  return Buffer.from(
    [
      "From: Anna <anna@example.org>",
      "To: Ben <ben@example.net>",
      `Subject: ${parts.subject}`,
      "Date: Mon, 5 Feb 2024 10:00:00 +0100",
      `Message-ID: <${parts.subject.replace(/[^a-z0-9]/gi, "-")}@example.org>`,
      ...(parts.header ?? []),
      "",
      parts.body,
    ].join("\r\n"),
    "utf8",
  );
}
