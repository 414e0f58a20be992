// Colours, where there is a terminal and nobody asked for none (https://no-color.org).

const codes = { dim: 2, bold: 1, red: 31, green: 32, yellow: 33, blue: 34 } as const

export type Colour = keyof typeof codes

export const isTerminal = process.stdout.isTTY === true

const coloured = isTerminal && !process.env.NO_COLOR

export const paint = (colour: Colour, text: string) => coloured ? `\x1b[${codes[colour]}m${text}\x1b[0m` : text
