/** The part of the script that draws one circuit. Text from outside becomes text, never markup. */
export const row = String.raw`
/** @type {(id: string) => any} */
const byId = (id) => document.getElementById(id)
const make = (name, className, text) => {
  const element = document.createElement(name)
  if (className) element.className = className
  if (text !== undefined) element.textContent = text
  return element
}
const setText = (element, text) => { if (element.textContent !== text) element.textContent = text }
const setHidden = (element, hidden) => { if (element.hidden !== hidden) element.hidden = hidden }
const svg = (name, attributes) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value)
  return element
}
const keyElement = (key) => {
  const element = make("bdi", "key", key.slice(0, 1000))
  element.dir = "auto"
  return element
}

const drawTrend = (trend, { failed, passed, rejected }) => {
  const most = Math.max(1, ...passed.map((count, index) => count + failed[index] + rejected[index]))
  const bars = []
  passed.forEach((_, index) => {
    let y = 20
    for (const [part, counts] of Object.entries({ passed, failed, rejected })) {
      const height = 20 * counts[index] / most
      if (height === 0) continue
      y -= height
      bars.push(svg("rect", { class: part, x: 4 * index, y, width: 3, height }))
    }
  })
  trend.replaceChildren(...bars)
}

const hour = 3600000
const drawStrip = (strip, circuit, now, startedAt) => {
  const x = (at) => Math.min(100, Math.max(0, 100 * (1 - (now - at) / hour)))
  const changes = circuit.timeline
  const first = changes.length > 0 ? changes[0] : { at: now, from: circuit.state }
  const from = Math.min(startedAt, first.at, circuit.since || now)
  const parts = [{ from: now - hour, to: from, state: "unknown" }, { from, to: first.at, state: first.from }]
  changes.forEach(({ at, state }, index) => parts.push({ from: at, to: changes[index + 1]?.at || now, state }))
  strip.replaceChildren(...parts.map((part) =>
    svg("rect", { class: part.state, x: x(part.from), y: 0, width: Math.max(0, x(part.to) - x(part.from)), height: 10 })
  ))
}

const rejectedOf = ({ calls }) =>
  Object.keys(calls).reduce((sum, name) => sum + (name.startsWith("rejected_") ? calls[name] : 0), 0)
const passedOf = ({ calls }) => calls.success + calls.failure + calls.ignored + calls.interrupted

const next = (circuit, elapsed) => {
  if (circuit.throttled_ms > elapsed) return "gate shut for " + duration(circuit.throttled_ms - elapsed)
  switch (circuit.state) {
    case "open":
      return circuit.retry_after_ms > elapsed
        ? "probe in " + duration(circuit.retry_after_ms - elapsed)
        : "next call probes"
    case "forced_open":
      return circuit.retry_after_ms === undefined
        ? "until a reset"
        : duration(circuit.retry_after_ms - elapsed) + " left"
    case "half_open": return plural(circuit.probing, "probe", "probes") + " out"
    default: return ""
  }
}

const makeRow = (key, act) => {
  const element = make("li", "circuit")
  const state = make("div", "state")
  const word = make("b")
  const age = make("span", "small")
  state.append(word, age)
  const what = make("div", "what")
  const reason = make("p", "why small")
  const kinds = make("ul", "kinds")
  kinds.ariaLabel = "Failures of the last five minutes"
  what.append(keyElement(key), reason, kinds)
  const traffic = make("div", "traffic figure")
  const rate = make("b")
  const rateNote = make("span", "small")
  const chart = (name, viewBox) =>
    svg("svg", { class: name, viewBox, preserveAspectRatio: "none", "aria-hidden": "true" })
  const trend = chart("trend", "0 0 120 20")
  traffic.append(rate, rateNote, trend)
  const cost = make("div", "cost figure")
  const skips = make("b")
  const perMinute = make("span", "small", "/min")
  const skipsNote = make("div", "small", "turned away")
  cost.append(skips, perMinute, skipsNote)
  const outlook = make("div", "outlook")
  const retry = make("span", "small")
  const strip = chart("strip", "0 0 100 10")
  outlook.append(retry, strip)
  const button = make("button", "act", "Steer")
  button.ariaLabel = "Steer " + key.slice(0, 200)
  button.addEventListener("click", () => act(key))
  element.append(state, what, traffic, cost, outlook, button)

  const update = (circuit, actions) => {
    const isCalm = circuit.state === "closed" && circuit.failure_kinds.length === 0
    element.className = "circuit " + circuit.state + (isCalm ? " calm" : "")
    setText(word, stateWords[circuit.state])
    setText(reason, why(circuit))
    kinds.replaceChildren(...circuit.failure_kinds.slice(0, 5).map(({ calls, kind }) =>
      make("li", "", plain(kind) + " " + number(calls))
    ))
    setHidden(kinds, circuit.failure_kinds.length === 0)
    setText(rate, number(passedOf(circuit)))
    setText(rateNote, "/min" + (circuit.median_ms === undefined ? "" : " · " + latency(circuit.median_ms)))
    drawTrend(trend, circuit.trend)
    const lately = rejectedOf(circuit)
    const skipped = lately || circuit.skips || 0
    cost.className = lately > 0 ? "cost figure bad" : "cost figure"
    setText(skips, skipped === 0 ? "" : number(skipped))
    setHidden(perMinute, lately === 0)
    setHidden(skipsNote, skipped === 0)
    button.disabled = !actions
    button.title = actions ? "" : "This console is read-only"
    if (actions) button.removeAttribute("aria-describedby")
    else button.setAttribute("aria-describedby", "read-only-text")
  }
  const tick = (circuit, now, snapshotAt, startedAt) => {
    setText(age, circuit.since === undefined ? "" : "for " + duration(now - circuit.since))
    age.title = circuit.since === undefined ? "" : "since " + new Date(circuit.since).toLocaleString("en-GB")
    setText(retry, next(circuit, now - snapshotAt))
    drawStrip(strip, circuit, now, startedAt)
  }
  const flash = () => {
    element.classList.remove("changed")
    void element.offsetWidth
    element.classList.add("changed")
  }
  return { element, update, tick, flash }
}
`
