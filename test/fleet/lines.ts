import type { Socket } from "node:net"

/** Hears the JSON of every line that arrives. */
export const onLine = <A>(socket: Socket, hear: (message: A) => void): void => {
  let rest = ""
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n")
    rest = lines.pop()!
    for (const line of lines) hear(JSON.parse(line) as A)
  })
}

export const writeLine = <A>(socket: Socket, message: A): void => void socket.write(`${JSON.stringify(message)}\n`)
