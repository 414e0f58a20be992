/** The kinds of refusal that speak of an account or a place, not of the request, nor of the provider's health. */
import type { Kind } from "../../Outcome.ts"

export const accountKinds = ["auth", "quota_exhausted"] as const satisfies ReadonlyArray<Kind>

export type AccountKind = typeof accountKinds[number]

export const isAccountKind = (kind: string | undefined): kind is AccountKind =>
  (accountKinds as ReadonlyArray<string | undefined>).includes(kind)
