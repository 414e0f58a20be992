/** Keys that try to be more than keys. */
export const keys = [
  "line\nanother line",
  "line\r\nlevel=ERROR message=forged",
  "\u2028\u2029\u0085",
  "\u0000",
  "\u001b[31mred\u001b[0m",
  "\" message=forged \"",
  "\\",
  "\\n",
  "\"} 1\ncb_requests_total{backend=\"forged\"} 99",
  "data: forged\n\nid: 7",
  "{tag}",
  "}{",
  "*",
  "?[a-z]",
  "__proto__",
  "constructor",
  "\ud83d",
  "\u202egnp.exe",
  "k".repeat(10_000)
]
