// Holds the documents to the repository: what they link to, which files they name, how the layers depend on each other,
// and which commands there are.
import { assert, describe, it } from "@effect/vitest"
import { existsSync } from "node:fs"
import { dirname, join, normalize } from "node:path"
import { parse as parseYaml } from "yaml"
import { fencesOf } from "../../scripts/fences.ts"
import { codesOf, documents, list, read, records, root, sources, tableOf, withoutFences } from "./documents.ts"

const folders = ["src", "test", "examples", "scripts", "dashboards", "docs"]
const places = [...folders.map((folder) => `${folder}/`), ...folders.flatMap((folder) => list(folder))]
const scripts = Object.keys(
  (JSON.parse(read("package.json")) as { readonly scripts: Readonly<Record<string, string>> }).scripts
)

/** The anchors of a document's headings. */
const anchorsOf = (path: string) =>
  Array.from(
    withoutFences(read(path)).matchAll(/^#+ (.+)$/gm),
    ([, heading]) => heading!.toLowerCase().replaceAll(/[^\p{L}\p{N}_\- ]/gu, "").replaceAll(" ", "-")
  )

/** What is wrong with the documents, by document. */
const wrong = (check: (text: string, document: string) => ReadonlyArray<string>) =>
  documents.flatMap((document) => check(read(document), document).map((what) => `${document}: ${what}`))

describe("the documents", () => {
  it("link to files and headings that exist", () => {
    const broken = wrong((text, document) =>
      Array.from(withoutFences(text).matchAll(/\]\(([^)\s]+)\)/g), ([, target]) => target!)
        .filter((link) => !/^[a-z]+:/.test(link))
        .filter((link) => {
          const [path = "", anchor] = link.split("#")
          const place = path === "" ? document : normalize(join(dirname(document), path))
          return !existsSync(join(root, place)) || (anchor !== undefined && !anchorsOf(place).includes(anchor))
        })
    )
    assert.deepStrictEqual(broken, [])
  })

  it("name files and folders that exist", () => {
    const isThere = (name: string) =>
      places.some((place) => place === name || place.endsWith(`/${name}`)) || existsSync(join(root, name))
    const missing = wrong((text, document) => {
      // A changelog tells of files that are gone.
      if (document === "CHANGELOG.md") return []
      const paths = text.match(/(?<![\w./-])(?:src|test|examples|scripts|dashboards|docs)\/[\w./-]*[\w/]/g) ?? []
      const names = codesOf(withoutFences(text)).filter((code) => /^[\w./-]+(?:\.ts|\/)$/.test(code))
      return [...paths.filter((path) => !existsSync(join(root, path))), ...names.filter((name) => !isThere(name))]
    })
    assert.deepStrictEqual(missing, [])
  })

  it("name npm scripts that exist", () => {
    const missing = wrong((text) =>
      Array.from(text.matchAll(/npm run (?:-s )?([\w:-]+)/g), ([, script]) => script!)
        .filter((name) => !scripts.includes(name))
    )
    assert.deepStrictEqual(missing, [])
  })

  it("have fences of languages that are checked, and without a language only what programs print", () => {
    const looksLikeCode = /^(?:import|export|const|type|interface|npm|node|curl|cat) |[{;]$/m
    // `npm run check` compiles ts, and the test above looks up the npm scripts of sh.
    const checks: Readonly<Record<string, (code: string) => unknown>> = {
      ts: () => {},
      sh: () => {},
      mermaid: () => {},
      json: (code) => JSON.parse(code),
      yaml: (code) => parseYaml(code),
      "": (code) => assert.notMatch(code, looksLikeCode)
    }
    const mistakes = documents.flatMap(fencesOf).flatMap(({ code, document, language, line }) => {
      try {
        assert.property(checks, language)
        checks[language]!(code)
        return []
      } catch (error) {
        return [`${document}:${line}: ${error}`]
      }
    })
    assert.deepStrictEqual(mistakes, [])
  })
})

describe("CONTRIBUTING.md", () => {
  it("has every npm script in its table of commands", () => {
    const rows = tableOf(read("CONTRIBUTING.md"), "command | what it does | time on two cores").flat().join("\n")
    const named = new Set(Array.from(rows.matchAll(/`npm (?:run )?([\w:-]+)/g), ([, script]) => script!))
    // Those npm runs by itself.
    const own = scripts.filter((name) => !name.startsWith("pre"))
    assert.deepStrictEqual(own.filter((name) => !named.has(name)), [])
  })

  it("says of every project of the tests what runs it", () => {
    const head = "project | its files | what they need | in `npm test` | in `.ci/run` | time on two cores"
    const rows = tableOf(read("CONTRIBUTING.md"), head).map((
      [name, , , inTest]
    ) => [codesOf(name)[0], inTest === "yes"])
    const projects = Array.from(read("vitest.config.ts").matchAll(/\bname: "(\w+)"/g), ([, name]) => name!)
    const tested = read("package.json").match(/"test": "vitest run (.+)"/)![1]!
    assert.deepStrictEqual(rows, projects.map((name) => [name, tested.includes(`--project ${name}`)]))
  })
})

describe("docs/architecture.md", () => {
  const text = read("docs/architecture.md")
  const arrows = Array.from(text.matchAll(/^ {2}(\w+) --> (\w+)$/gm), ([, from, to]) => [from!, to!] as const)
  const layers = tableOf(text, "layer | what it is | public modules")
    .map(([name, , files]) => ({ name, files: codesOf(files!) }))
  const paths = [...sources.keys()].filter((path) => !path.endsWith("index.ts"))
  const roomOf = (path: string) => (path.startsWith("internal/") ? path.slice("internal/".length) : path).split("/")[0]!
  const layersOf = (path: string) =>
    path.includes("/")
      ? layers.filter(({ name }) => name === roomOf(path)).map(({ name }) => name)
      : layers.filter(({ files }) => files.includes(path)).map(({ name }) => name)

  const isAbove = (from: string, to: string): boolean =>
    arrows.some(([begin, end]) => begin === from && (end === to || isAbove(end, to)))

  /** Whether nothing is left of an import when types are stripped. */
  const isOfTypes = (names: string) =>
    names.startsWith("type ") || names.replaceAll(/[{}]/g, "").split(",").every((name) => /^\s*(?:type |$)/.test(name))

  const imports = paths.flatMap((path) =>
    Array.from(
      sources.get(path)!.matchAll(/^(?:import|export) ([^"]*?) from "(\.[^"]+)"$/gm),
      ([, names, target]) => ({ from: path, to: normalize(join(dirname(path), target!)), isOfTypes: isOfTypes(names!) })
    )
  )

  it("puts every file into one layer", () => {
    const placed = paths.map((path) => [path, layersOf(path).length])
    assert.deepStrictEqual(placed.filter(([, count]) => count !== 1), [])
    assert.sameMembers([...new Set(arrows.flat())], layers.map(({ name }) => name))
  })

  it("has an arrow, or several in a row, for every import", () => {
    assert.isAbove(imports.length, 300)
    const against = imports.filter(({ from, to }) => {
      const [begin, end] = [layersOf(from)[0]!, layersOf(to)[0]!]
      return begin !== end && !isAbove(begin, end)
    })
    assert.deepStrictEqual(against, [])
  })

  it("has an import for every arrow, and no circle", () => {
    const crossed = new Set(imports.map(({ from, to }) => `${layersOf(from)[0]} --> ${layersOf(to)[0]}`))
    assert.deepStrictEqual(arrows.map((arrow) => arrow.join(" --> ")).filter((arrow) => !crossed.has(arrow)), [])
    assert.deepStrictEqual(layers.filter(({ name }) => isAbove(name, name)), [])
  })

  it("has no circle of files, but of types between a public module and what is inside of it", () => {
    const isInside = (path: string) => /(?:^|\/)internal\//.test(path)
    const isOfTheFace = ({ from, isOfTypes, to }: typeof imports[number]) =>
      isOfTypes && isInside(from) && !isInside(to) && layersOf(from)[0] === layersOf(to)[0]
    assert.isNotEmpty(imports.filter(isOfTheFace))
    // A file that imports nothing of what is left, or that nothing of it imports, is in no circle.
    let left = imports.filter((each) => !isOfTheFace(each))
    for (let before = Infinity; left.length < before;) {
      before = left.length
      const [importing, imported] = [new Set(left.map(({ from }) => from)), new Set(left.map(({ to }) => to))]
      left = left.filter(({ from, to }) => importing.has(to) && imported.has(from))
    }
    assert.deepStrictEqual(left.map(({ from, to }) => `${from} imports ${to}`), [])
  })

  it("tells when each operation of a shared store is asked for", () => {
    const rows = tableOf(text, "a process asks for | when | and waits")
    const shared = [...sources].filter(([path]) => path.includes("internal/shared/")).map(([, text]) => text)
    const asked = Array.from(
      shared.join("").matchAll(/\b(?:send|asked|order|within)\(\s*(?:this,\s*)?"(\w+)"/g),
      ([, operation]) => operation!
    )
    assert.sameMembers([...new Set(rows.flatMap(([sent]) => codesOf(sent)))], [...new Set(asked)])
  })
})

describe("docs/decisions", () => {
  it("lists every record by its number and title", () => {
    const listed = Array.from(
      read("docs/decisions/README.md").matchAll(/^\| \[(\d+)\]\((\S+)\) \| (.+) \|$/gm),
      ([, number, file, title]) => `${file}: # ${number}. ${title}`
    )
    const written = records.map((path) => `${path.split("/").at(-1)}: ${read(path).split("\n")[0]}`)
    assert.sameMembers(listed, written)
    for (const path of records) assert.include(read(path), `# ${Number(/\d+/.exec(path)![0])}. `)
  })

  it("have the same four parts", () => {
    for (const path of records) {
      const parts = Array.from(read(path).matchAll(/^\*\*(.+)\.\*\*/gm), ([, part]) => part)
      assert.deepStrictEqual(parts, ["Context", "Decision", "Consequences", "Turned down"], path)
    }
  })
})
