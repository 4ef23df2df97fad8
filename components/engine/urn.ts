/**
 * URNs as the Pulumi engine makes them (sdk/go/common/resource/urn):
 * `urn:pulumi:<stack>::<project>::<parent types joined by $><type>::<name>`. The stack resource never
 * stands in a child's type. Everything here is pure.
 */

/** The type of the one root resource of a stack. */
export const STACK_TYPE = "pulumi:pulumi:Stack";

const PROVIDER_TYPE_PREFIX = "pulumi:providers:";

export interface UrnParts {
  stack: string;
  project: string;
  /** The types from the outermost parent to the resource itself, joined by `$`. */
  qualifiedType: string;
  /** The resource's own type. */
  type: string;
  name: string;
}

/** Takes a URN apart. Throws on anything that is not one. */
export function parseUrn(urn: string): UrnParts {
  const [head, project, qualifiedType, ...name] = urn.split("::");
  if (!head?.startsWith("urn:pulumi:") || project === undefined || !qualifiedType || name.length === 0) {
    throw new Error(`'${urn}' is not a URN; expected urn:pulumi:<stack>::<project>::<type>::<name>`);
  }
  return {
    stack: head.slice("urn:pulumi:".length),
    project,
    qualifiedType,
    type: qualifiedType.slice(qualifiedType.lastIndexOf("$") + 1),
    name: name.join("::"),
  };
}

/** The URN of a resource. `parent` is the parent's URN, or "" at the top. */
export function makeUrn(stack: string, project: string, parent: string, type: string, name: string): string {
  const parentType = parent === "" ? "" : parseUrn(parent).qualifiedType;
  return urnBelow(stack, project, parentType === STACK_TYPE ? "" : parentType, type, name);
}

/** The same from the parent's qualified type, which is "" at the top. */
export function urnBelow(
  stack: string,
  project: string,
  parentType: string,
  type: string,
  name: string,
): string {
  const prefix = parentType === "" || parentType === STACK_TYPE ? "" : `${parentType}$`;
  return `urn:pulumi:${stack}::${project}::${prefix}${type}::${name}`;
}

/** The name in a URN. */
export const nameOf = (urn: string): string => parseUrn(urn).name;

/** Whether a resource type is that of a provider, `pulumi:providers:<package>`. */
export const isProviderType = (type: string): boolean => type.startsWith(PROVIDER_TYPE_PREFIX);

/** The package whose provider serves a type: `docker` for `docker:index/container:Container`. */
export function packageOf(type: string): string {
  return isProviderType(type) ? type.slice(PROVIDER_TYPE_PREFIX.length) : (type.split(":")[0] ?? type);
}

/** The type of a package's provider resource. */
export const providerTypeOf = (packageName: string): string => `${PROVIDER_TYPE_PREFIX}${packageName}`;

/** A reference to a provider resource, `<urn>::<id>`, as it stands in a resource's `provider`. */
export interface ProviderReference {
  urn: string;
  id: string;
}

/** Takes a provider reference apart. Throws on anything else. */
export function parseProviderReference(reference: string): ProviderReference {
  const cut = reference.lastIndexOf("::");
  const urn = reference.slice(0, cut);
  if (cut < 0 || !isProviderType(parseUrn(urn).type)) {
    throw new Error(`'${reference}' is not a provider reference; expected <provider urn>::<id>`);
  }
  return { urn, id: reference.slice(cut + 2) };
}

/** Writes a provider reference. */
export const formatProviderReference = (reference: ProviderReference): string =>
  `${reference.urn}::${reference.id}`;
