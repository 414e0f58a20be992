/** The part of the script that keeps the circuits and events in view. */
export const board = String.raw`
const order = Object.keys(stateWords)
const urgency = (circuit) => {
  if (circuit.state !== "closed") return order.indexOf(circuit.state)
  return circuit.throttled_ms ? 4 : circuit.failure_kinds.length > 0 ? 5 : 6
}

let view = { at: 0, started_at: 0, actions: false, states: {}, circuits: [], circuits_unlisted: 0 }
let skew = 0
let filter = ""
const rows = new Map()
const circuits = new Map()
let events = []
const serverNow = () => Date.now() + skew

const chips = order.map((state) => {
  const chip = make("button", "chip " + state)
  const count = make("b")
  chip.type = "button"
  chip.ariaPressed = "false"
  chip.append(count, " " + stateWords[state].toLowerCase())
  chip.addEventListener("click", () => {
    filter = filter === state ? "" : state
    drawCircuits()
  })
  byId("chips").append(chip)
  return { chip, count, state }
})
byId("search").addEventListener("input", () => drawCircuits())
byId("changes").addEventListener("change", () => drawEvents())

const isWanted = (circuit, text) =>
  (filter === "" || circuit.state === filter) &&
  (text === "" || (circuit.key + " " + stateWords[circuit.state] + " " + why(circuit)).toLowerCase().includes(text))

const heading = document.title
const drawCircuits = () => {
  const { forced_open = 0, half_open = 0, open = 0 } = view.states
  const troubled = open + half_open + forced_open
  document.title = (troubled === 0 ? "" : "(" + number(troubled) + ") ") + heading
  for (const { chip, count, state } of chips) {
    const total = view.states[state] || 0
    setText(count, number(total))
    chip.classList.toggle("none", total === 0)
    chip.ariaPressed = String(filter === state)
  }
  const text = byId("search").value.trim().toLowerCase()
  const sorted = [...circuits.values()].sort((one, other) =>
    urgency(one) - urgency(other) || (one.key < other.key ? -1 : 1)
  )
  let shown = 0
  let before = null
  const list = byId("circuits")
  for (const circuit of sorted) {
    const row = rows.get(circuit.key)
    const wanted = isWanted(circuit, text)
    setHidden(row.element, !wanted)
    if (wanted) shown++
    // Moves a row only if it has to, because moving it takes the focus away.
    const place = before === null ? list.firstChild : before.nextSibling
    if (place !== row.element) list.insertBefore(row.element, place)
    before = row.element
  }
  const more = byId("more")
  setHidden(more, shown > 0 && view.circuits_unlisted === 0)
  setText(
    more,
    view.circuits_unlisted > 0
      ? plural(view.circuits_unlisted, "circuit is", "circuits are") + " not listed: the least urgent."
      : circuits.size === 0 ? "No circuit has been used yet." : "No circuit matches the filter."
  )
  tick()
}

const tick = () => {
  const now = serverNow()
  for (const [key, row] of rows) {
    if (!row.element.hidden) row.tick(circuits.get(key), now, view.at, view.started_at)
  }
}

let drawn = -1
const newestId = () => events.length === 0 ? 0 : events[events.length - 1].id
const drawEvents = () => {
  drawn = newestId()
  const changesOnly = byId("changes").checked
  const list = byId("events")
  list.replaceChildren(...events.filter(({ event }) => !changesOnly || isChange(event)).slice(-200).reverse().map(
    ({ event }) => {
      const element = make("li", event.to || "")
      element.append(
        keyElement(event.key || event.route || event.observer || "store"),
        make("time", "small", clockTime(event.at)),
        make("p", "", eventText(event))
      )
      return element
    }
  ))
  if (list.childElementCount === 0) list.append(make("li", "", "Nothing yet"))
}

const applySnapshot = (snapshot) => {
  skew = snapshot.at - Date.now()
  if (snapshot.started_at !== view.started_at) events = []
  const lastOfSnapshot = snapshot.events.length === 0 ? 0 : snapshot.events[snapshot.events.length - 1].id
  // Keeps events that are newer than the snapshot, which may have been taken before they were streamed.
  events = snapshot.events.concat(events.filter(({ id }) => id > lastOfSnapshot)).slice(-500)
  view = snapshot
  const listed = new Set(snapshot.circuits.map(({ key }) => key))
  for (const [key, row] of rows) {
    if (listed.has(key)) continue
    row.element.remove()
    rows.delete(key)
    circuits.delete(key)
  }
  for (const circuit of snapshot.circuits) show(circuit)
  setHidden(byId("read-only"), snapshot.actions)
  drawCircuits()
  if (drawn !== newestId()) drawEvents()
}

const show = (circuit) => {
  let row = rows.get(circuit.key)
  if (row === undefined) rows.set(circuit.key, row = makeRow(circuit.key, openDialog))
  const former = circuits.get(circuit.key)
  circuits.set(circuit.key, circuit)
  row.update(circuit, view.actions)
  if (former !== undefined && former.state !== circuit.state) row.flash()
}

let spoken = []
const speak = (text) => {
  spoken.push(text)
  setTimeout(() => {
    if (spoken.length === 0) return
    setText(byId("spoken"), spoken.length > 3 ? spoken.length + " circuits changed" : spoken.join(". "))
    spoken = []
  }, 300)
}

const applyEvent = (happened) => {
  if (happened.id <= newestId()) return
  events.push(happened)
  if (events.length > 500) events = events.slice(-500)
  const { event } = happened
  if (event.to === undefined) return
  speak(event.key.slice(0, 100) + " is now " + stateWords[event.to].toLowerCase())
}
`
