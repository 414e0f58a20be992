/** How patterns are written that have many words: one of some words, with others before and after them. */

/** One of these, which can themselves be several: `any("one|two", "three")`. */
export const any = (...words: ReadonlyArray<string>): string => `(?:${words.join("|")})`

/** A pattern of these parts, one after the other, in any case. */
export const pattern = (...parts: ReadonlyArray<string>): RegExp => new RegExp(parts.join(""), "i")
