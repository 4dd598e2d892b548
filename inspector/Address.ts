/**
 * The address of the page, as it is written. A step is one of the browser's history; what only moves, as a slider does, is
 * written now and then: browsers refuse more than some hundred changes in half a minute.
 */
const pauseMillis = 350

let next: { readonly address: string; readonly timer: ReturnType<typeof setTimeout> } | undefined

const write = (): void => {
  if (next === undefined) return
  clearTimeout(next.timer)
  history.replaceState(null, "", next.address)
  next = undefined
}

export const move = (address: string): void => {
  next = { address, timer: next?.timer ?? setTimeout(write, pauseMillis) }
}

export const step = (address: string): void => {
  write()
  history.pushState(null, "", address)
}

/** Where one goes back, what was to be written is of another place. */
export const forget = (): void => {
  clearTimeout(next?.timer)
  next = undefined
}
