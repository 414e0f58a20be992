/** A Prometheus of one's own: on a free port of loopback, gone with its scope or with this process. */
import { Data, Effect, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { stringify } from "yaml"
import { eventually } from "../support/eventually.ts"
import { findProgram } from "../support/programs/findProgram.ts"
import { prometheus } from "../support/programs/programs.ts"
import { freePort } from "../support/redis/freePort.ts"

/** Scraped every second, as `job` and with the given names of instances. `ruleFiles` are paths. */
export interface Options {
  readonly job: string
  readonly targets: ReadonlyArray<{ readonly instance: string; readonly address: string }>
  readonly ruleFiles?: ReadonlyArray<string>
  /** Rules as YAML, beside those of the files. */
  readonly rules?: string
}

export interface Series {
  readonly metric: Readonly<Record<string, string>>
  readonly values: ReadonlyArray<readonly [seconds: number, value: string]>
}

export interface Alert {
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly state: "pending" | "firing"
}

/** A time range, in seconds since 1970. */
export interface Range {
  readonly start: number
  readonly end: number
}

/** Prometheus says no: mostly a mistake in the expression. */
export class QueryFailed extends Data.TaggedError("QueryFailed")<{ readonly expr: string; readonly error: string }> {
  override get message(): string {
    return `${this.error}: ${this.expr}`
  }
}

/**
 * - `queryRange`: an expression, evaluated every second of a range.
 * - `alerts`: those that are pending or firing now.
 * - `rules`: every alert that is loaded, with the error of its last evaluation.
 */
export interface Prometheus {
  readonly url: string
  readonly queryRange: (expr: string, range: Range) => Effect.Effect<ReadonlyArray<Series>, QueryFailed>
  readonly alerts: Effect.Effect<ReadonlyArray<Alert>>
  readonly rules: Effect.Effect<ReadonlyArray<{ readonly name: string; readonly lastError?: string }>>
}

export const make = (options: Options): Effect.Effect<Prometheus, never, Scope.Scope> =>
  Effect.gen(function*() {
    const program = findProgram(prometheus)
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "prometheus-"))),
      (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
    )
    const config = join(directory, "prometheus.yml")
    const rules = join(directory, "rules.yml")
    writeFileSync(rules, options.rules ?? "groups: []\n")
    writeFileSync(config, configuration(options, rules))
    const port = yield* freePort
    const process = yield* Effect.acquireRelease(
      Effect.sync(() =>
        start(program, [
          `--config.file=${config}`,
          `--storage.tsdb.path=${join(directory, "data")}`,
          `--web.listen-address=127.0.0.1:${port}`,
          "--log.level=warn"
        ])
      ),
      stop
    )
    const url = `http://127.0.0.1:${port}`
    yield* eventually(Effect.tryPromise(async () => (await fetch(`${url}/-/ready`)).ok)).pipe(
      Effect.catchDefect(() => Effect.die(new Error(`prometheus did not start:\n${process.log()}`)))
    )
    const get = <A>(path: string) => Effect.map(ask<A>(`${url}/api/v1/${path}`), ({ data }) => data)
    return {
      url,
      queryRange: (expr, { end, start }) => {
        const parameters = new URLSearchParams({ query: expr, start: `${start}`, end: `${end}`, step: "1" })
        return Effect.flatMap(
          ask<{ readonly result: ReadonlyArray<Series> }>(`${url}/api/v1/query_range?${parameters}`),
          ({ data, error }) =>
            error === undefined ? Effect.succeed(data.result) : Effect.fail(new QueryFailed({ expr, error }))
        )
      },
      alerts: Effect.map(get<{ readonly alerts: ReadonlyArray<Alert> }>("alerts"), ({ alerts }) => alerts),
      rules: Effect.map(
        get<{
          readonly groups: ReadonlyArray<{
            readonly rules: ReadonlyArray<{ readonly name: string; readonly lastError?: string }>
          }>
        }>("rules"),
        ({ groups }) => groups.flatMap(({ rules }) => rules)
      )
    }
  })

const configuration = ({ job, ruleFiles = [], targets }: Options, rules: string) =>
  stringify({
    global: { scrape_interval: "1s", evaluation_interval: "1s" },
    rule_files: [...ruleFiles, rules],
    scrape_configs: [{
      job_name: job,
      static_configs: targets.map(({ address, instance }) => ({ targets: [address], labels: { instance } }))
    }]
  })

const ask = <A>(url: string): Effect.Effect<{ readonly data: A; readonly error?: string }> =>
  Effect.promise((signal) => fetch(url, { signal }).then((response) => response.json()))

interface Process {
  readonly shell: ChildProcess
  readonly log: () => string
}

// Vitest ends its workers with signals, and then no handler of theirs runs. But their end of a pipe closes however they
// end: the shell waits for that, in a session of its own where no Ctrl-C reaches it, and takes Prometheus along.
const start = (program: string, args: ReadonlyArray<string>): Process => {
  const script = "\"$0\" \"$@\" </dev/null & read _; kill -9 $!; wait"
  const shell = spawn("sh", ["-c", script, program, ...args], { detached: true, stdio: ["pipe", "ignore", "pipe"] })
  let log = ""
  shell.stderr?.on("data", (chunk: Buffer) => {
    log += chunk
  })
  return { shell, log: () => log }
}

const stop = ({ shell }: Process) =>
  Effect.callback<void>((resume) => {
    if (shell.exitCode !== null) return resume(Effect.void)
    shell.once("exit", () => resume(Effect.void))
    shell.stdin?.end()
  })
