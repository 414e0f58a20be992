/** Vitest's setup of the files of the project: how long a test may take follows from how hurried its time is. */
import { vi } from "vitest"
import { scale } from "./storyTime.ts"

vi.setConfig({ testTimeout: 30_000 + 300_000 / scale })
