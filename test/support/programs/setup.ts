import { findProgram } from "./findProgram.ts"
import { programs } from "./programs.ts"

/** Vitest's global setup: one search, or one installation, for all workers, which inherit the environment. */
export const setup = () => {
  for (const program of programs) process.env[program.variable] = findProgram(program)
}
