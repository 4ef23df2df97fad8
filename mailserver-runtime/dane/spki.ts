/**
 * A certificate's SubjectPublicKeyInfo, octet by octet as it stands there (RFC 6698 §2.1.2): a TLSA record may be about
 * those octets, and a key that was read and written again need not have them.
 */

interface Element {
  readonly tag: number;
  readonly contentStart: number;
  readonly end: number;
}

const VERSION_TAG = 0xa0;
/** serialNumber, signature, issuer, validity, subject (RFC 5280 §4.1). */
const FIELDS_BEFORE_KEY = 5;

/** `certificate` is DER that a TLS library has accepted. @throws {RangeError} when it is no certificate */
export function subjectPublicKeyInfo(certificate: Buffer): Buffer {
  const whole = elementAt(certificate, 0);
  const body = elementAt(certificate, whole.contentStart);
  let field = elementAt(certificate, body.contentStart);
  if (field.tag === VERSION_TAG) field = elementAt(certificate, field.end);
  for (let index = 1; index < FIELDS_BEFORE_KEY; index += 1) field = elementAt(certificate, field.end);
  const key = elementAt(certificate, field.end);
  return certificate.subarray(field.end, key.end);
}

/** One DER element (X.690 §8.1); no length here needs more than three octets. */
function elementAt(octets: Buffer, at: number): Element {
  const first = octets.readUInt8(at + 1);
  const lengthOctets = first < 0x80 ? 0 : first & 0x7f;
  if (lengthOctets > 3) throw new RangeError("a DER length is beyond all certificates");
  const length = lengthOctets === 0 ? first : octets.readUIntBE(at + 2, lengthOctets);
  const contentStart = at + 2 + lengthOctets;
  const end = contentStart + length;
  if (end > octets.length) throw new RangeError("a DER element is longer than its certificate");
  return { tag: octets.readUInt8(at), contentStart, end };
}
