/** How patterns are written that are longer than a line: breaks of lines, and the spaces around them, mean nothing. */

/** A part of patterns. */
export const part = (lines: TemplateStringsArray, ...parts: ReadonlyArray<string>): string =>
  String.raw(lines, ...parts).replaceAll(/ *\n */g, "")

/** A pattern, in any case. */
export const pattern = (lines: TemplateStringsArray, ...parts: ReadonlyArray<string>): RegExp =>
  new RegExp(part(lines, ...parts), "i")
