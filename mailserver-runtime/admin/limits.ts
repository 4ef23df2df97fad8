/** The largest request line in bytes. The largest requests are a zone's text and a stack's settings; this is far above. */
export const MAX_REQUEST_BYTES = 4 * 1024 * 1024;
