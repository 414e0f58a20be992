/** The part of the script that stays connected: events as they are streamed, and a snapshot every few seconds. */
export const live = String.raw`
const pollMillis = 3000
let source
let lostSince = 0
let fetching = false
let again = false
let soon = 0

const connected = (isConnected) => {
  if (isConnected) lostSince = 0
  else if (lostSince === 0) lostSince = serverNow()
  document.body.classList.toggle("lost", !isConnected)
  setHidden(byId("lost"), isConnected)
  setText(byId("link"), isConnected ? "live" : "connection lost")
  if (!isConnected) {
    setText(byId("lost-text"), "Connection lost. This is what was known at " + clockTime(lostSince) + ". Trying again…")
  }
}

const refresh = async () => {
  if (fetching) {
    again = true
    return
  }
  fetching = true
  const ordersBefore = orders
  try {
    const response = await fetch(base + "/snapshot", { signal: AbortSignal.timeout(10000) })
    if (!response.ok) throw new Error("the server answered " + response.status)
    const snapshot = await response.json()
    // Drops a snapshot if an order was sent meanwhile, because it may have been taken before that.
    if (orders === ordersBefore) applySnapshot(snapshot)
    else again = true
    connected(true)
  } catch {
    connected(false)
  }
  fetching = false
  if (again) {
    again = false
    refreshSoon()
  }
}
// One snapshot for many events at once.
const refreshSoon = () => {
  if (soon !== 0) return
  soon = setTimeout(() => {
    soon = 0
    refresh()
  }, 300)
}

const listen = () => {
  source = new EventSource(base + "/events")
  source.addEventListener("open", () => {
    refresh()
    // Again, because the server may have answered with a snapshot from before the stream began.
    setTimeout(refresh, 500)
  })
  source.addEventListener("message", (message) => {
    applyEvent({ id: Number(message.lastEventId), event: JSON.parse(message.data) })
    refreshSoon()
  })
  source.addEventListener("dropped", refreshSoon)
  source.addEventListener("error", () => {
    refreshSoon()
    // Connects again, because a browser gives up after a refusal.
    if (source.readyState === EventSource.CLOSED) {
      setTimeout(() => {
        if (!document.hidden && source.readyState === EventSource.CLOSED) listen()
      }, 5000)
    }
  })
}

// Disconnects a hidden page, because a browser has few connections to one server, and hidden pages would use them up.
document.addEventListener("visibilitychange", () => {
  source.close()
  if (!document.hidden) listen()
})

listen()
refresh()
setInterval(refresh, pollMillis)
setInterval(() => {
  if (!document.body.classList.contains("lost")) tick()
}, 1000)
drawCircuits()
drawEvents()
`
