/**
 * The page at `/`: the collections, and the contents of one as of a time. It only reads, and loads nothing from other
 * servers.
 *
 * @internal
 */
import { HttpServerResponse } from "effect/http"

const html = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Tidemark</title>
<style>
  body { font: 14px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
  table { border-collapse: collapse; width: 100% }
  th, td { border-bottom: 1px solid #ccc; padding: .2rem .5rem; text-align: left; vertical-align: top; word-break: break-word }
  tbody tr[tabindex] { cursor: pointer }
  .error { color: #b00 }
</style>
<h1>Tidemark</h1>
<form id="access"><label>Token, if the server has one <input id="token" type="password"></label> <button>Refresh</button></form>
<p id="error" class="error" role="alert"></p>
<table><thead><tr><th>Collection<th>Keys<th>Values<th>Since<th>Upper</thead><tbody id="collections"></tbody></table>
<section id="contents" hidden>
  <h2 id="name"></h2>
  <form id="read"><label>As of <input id="asOf" type="number" min="0" placeholder="the last sealed time"></label> <button>Read</button></form>
  <p id="summary"></p>
  <table><thead><tr><th>Key<th>Value<th>Multiplicity</thead><tbody id="rows"></tbody></table>
</section>
<script>
  const maxRows = 500
  const at = (id) => document.getElementById(id)
  const show = (rows, cells) => rows.replaceChildren(...cells.map((texts) => {
    const row = document.createElement("tr")
    row.append(...texts.map((text) => Object.assign(document.createElement("td"), { textContent: text })))
    return row
  }))
  const ask = async (path, signal) => {
    const token = at("token").value
    const response = await fetch(path, { signal, headers: token === "" ? {} : { authorization: "Bearer " + token } })
    if (response.ok) return response
    const { detail, title } = await response.json()
    throw new Error(title + (detail === undefined ? "" : ": " + detail))
  }
  const attempt = (run) => async (event) => {
    event?.preventDefault()
    at("error").textContent = ""
    await run().catch((error) => { at("error").textContent = error.message })
  }
  const list = attempt(async () => {
    const all = await (await ask("/collections")).json()
    show(at("collections"), all.map(({ name, key, value, since, upper }) => [name, key.name, value.name, since, upper]))
    all.forEach(({ name }, i) => {
      const row = at("collections").rows[i]
      row.tabIndex = 0
      row.onclick = row.onkeydown = (event) => {
        if (event.key !== undefined && event.key !== "Enter") return
        at("name").textContent = name
        at("contents").hidden = false
        read()
      }
    })
  })
  const read = attempt(async () => {
    const abort = new AbortController()
    const asOf = at("asOf").value
    const path = "/collections/" + encodeURIComponent(at("name").textContent) + "/snapshot" + (asOf === "" ? "" : "?asOf=" + asOf)
    const response = await ask(path, abort.signal)
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    let text = ""
    let lines = []
    for (let next = await reader.read(); !next.done && lines.length <= maxRows; next = await reader.read()) {
      text += next.value
      const parts = text.split("\\n")
      text = parts.pop()
      lines = lines.concat(parts)
    }
    if (lines.length > maxRows) abort.abort()
    const rows = lines.slice(0, maxRows).map((line) => JSON.parse(line))
    show(at("rows"), rows.map(({ key, value, diff }) => [JSON.stringify(key), JSON.stringify(value), diff]))
    at("summary").textContent = "As of " + response.headers.get("tidemark-as-of") + ": " +
      (lines.length > maxRows ? "the first " + maxRows + " rows" : lines.length + " rows")
  })
  at("access").onsubmit = list
  at("read").onsubmit = read
  list()
</script>
</html>
`

/** The page, with a policy that lets a browser contact this server only. */
export const page = HttpServerResponse.text(html, {
  contentType: "text/html; charset=utf-8",
  headers: {
    "content-security-policy":
      "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff"
  }
})
