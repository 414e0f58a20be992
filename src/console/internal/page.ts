/** The page: one document, which loads nothing but the console's own routes. */
import { Effect } from "effect"
import { Base64 } from "effect/encoding"
import { HttpServerResponse } from "effect/http"
import { sha256 } from "./operators.ts"
import { board } from "./page/board.ts"
import { dialog } from "./page/dialog.ts"
import { live } from "./page/live.ts"
import { markup } from "./page/markup.ts"
import { row } from "./page/row.ts"
import { style } from "./page/style.ts"
import { words } from "./page/words.ts"
import { headers } from "./reply.ts"

/** The script of the page. */
export const script = `"use strict";\n(() => {${[words, row, board, dialog, live].join("")}})()\n`

const hashOf = (text: string) => Effect.map(sha256(text), (digest) => `'sha256-${Base64.encode(digest)}'`)

export const make = Effect.fnUntraced(function*(title: string) {
  const policy = [
    "default-src 'none'",
    `script-src ${yield* hashOf(script)}`,
    `style-src ${yield* hashOf(style)}`,
    "img-src data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'"
  ].join("; ")
  return HttpServerResponse.html(markup(title, style, script)).pipe(
    HttpServerResponse.setHeaders({ ...headers, "content-security-policy": policy })
  )
})
