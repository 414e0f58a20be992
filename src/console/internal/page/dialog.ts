/** The part of the script that asks an operator for an order, and sends it. */
export const dialog = String.raw`
const choices = {
  "force-open": ["Force open", "Every call is turned away."],
  reset: ["Reset", "Closes the circuit and forgets its past."],
  disable: ["Disable", "Every call passes; the circuit only watches."],
  enable: ["Enable", "Puts the circuit back to work, closed."]
}
const choicesOf = (state) =>
  state === "disabled" ? ["enable", "force-open"]
    : state === "closed" ? ["force-open", "disable", "reset"]
    : ["reset", "force-open", "disable"]

const base = location.pathname.replace(/\/+$/, "")
const form = byId("form")
const dialog = byId("dialog")
let token = ""
let asked = ""
let orders = 0

const chosen = () => form.elements.namedItem("action").value
const choose = () => {
  setHidden(byId("duration-label"), chosen() !== "force-open")
  setText(byId("confirm"), choices[chosen()][0])
}
const wrong = (text) => {
  setHidden(byId("wrong"), text === "")
  setText(byId("wrong"), text)
}

const openDialog = (key) => {
  asked = key
  setText(byId("dialog-key"), key.slice(0, 1000))
  const labels = choicesOf(circuits.get(key).state).map((action, index) => {
    const label = make("label")
    const radio = make("input")
    radio.type = "radio"
    radio.name = "action"
    radio.value = action
    radio.checked = index === 0
    label.append(radio, make("span", "", choices[action][0]), make("span", "small", choices[action][1]))
    return label
  })
  byId("choices").replaceChildren(byId("choices").firstElementChild, ...labels)
  byId("reason").value = ""
  byId("token").value = token
  wrong("")
  choose()
  dialog.showModal()
  form.querySelector("input:checked").focus()
}

byId("choices").addEventListener("change", choose)
byId("cancel").addEventListener("click", () => dialog.close())
form.addEventListener("submit", async (submitted) => {
  submitted.preventDefault()
  const order = { key: asked, reason: byId("reason").value }
  const forMillis = byId("duration").value
  if (chosen() === "force-open" && forMillis !== "") order.for_ms = Number(forMillis)
  const presented = byId("token").value
  const confirm = byId("confirm")
  confirm.disabled = true
  try {
    const response = await fetch(base + "/" + chosen(), {
      method: "POST",
      headers: { authorization: "Bearer " + presented, "content-type": "application/json" },
      body: JSON.stringify(order)
    })
    if (response.ok) {
      token = presented
      orders++
      show(await response.json())
      drawCircuits()
      dialog.close()
    } else {
      const { error } = await response.json().catch(() => ({ error: "the server answered " + response.status }))
      if (response.status === 401) token = ""
      wrong("Refused: " + error + ".")
    }
  } catch {
    wrong("Nothing was sent: the server cannot be reached, or the token has characters that no token has.")
  }
  confirm.disabled = false
})
`
