/**
 * The metrics of a server, in the series of its store. Those of the store itself are in `Metrics` of `tidemark`.
 *
 * @since 0.1.0
 */
import { Metric } from "effect"

/**
 * @category metrics
 * @since 0.1.0
 */
export const subscribers = Metric.gauge("tidemark_http_subscribers", { description: "Subscribers connected" })

/**
 * @category metrics
 * @since 0.1.0
 */
export const stalled = Metric.counter("tidemark_http_stalled_total", {
  description: "Connections closed because their clients did not read what was sent",
  incremental: true
})
