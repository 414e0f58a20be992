import type { TestProject } from "vitest/node"
import { findProgram } from "./findProgram.ts"
import { programsOf } from "./programs.ts"

/** Vitest's global setup: one search, or one installation, for all workers, which inherit the environment. */
export const setup = ({ name }: Pick<TestProject, "name">): void => {
  for (const program of programsOf[name] ?? []) process.env[program.variable] = findProgram(program)
}
